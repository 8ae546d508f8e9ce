/*
 * view.c - #channel/inbox.jsonl in the relay's spool: the channel's newest
 * messages for whoever looks after the relay with ls and cat.
 *
 * A view may lag and be rebuilt; the store is the truth. So it is written in
 * small portions behind the traffic, and of a flood only the end.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#define OPEN_MAX	64	/* rings held open */
#define LINES_MAX	500	/* lines a flush writes */

struct view {
	struct chan		*chan;
	struct spool_ring	*ring;
	TAILQ_ENTRY(view)	 lru;
};

static void
view_close(struct relay *r, struct view *v)
{
	TAILQ_REMOVE(&r->open_views, v, lru);
	r->nviews--;
	v->chan->view = NULL;
	spool_ring_close(v->ring);
	free(v);
}

void
view_close_all(struct relay *r)
{
	struct view *v;

	while ((v = TAILQ_FIRST(&r->open_views)) != NULL)
		view_close(r, v);
}

static int
view_open(struct relay *r, struct chan *c)
{
	struct view *v = c->view;
	int dir, rc;

	if (v != NULL) {
		TAILQ_REMOVE(&r->open_views, v, lru);
		TAILQ_INSERT_TAIL(&r->open_views, v, lru);
		return 0;
	}
	if (r->nviews >= OPEN_MAX)
		view_close(r, TAILQ_FIRST(&r->open_views));
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	rc = spool_subdir(spool_dir(r->spool), c->name, true, &dir);
	if (rc == 0) {
		rc = spool_ring_open(&v->ring, dir, "inbox.jsonl");
		close(dir);
	}
	if (rc < 0) {
		free(v);
		return rc;
	}
	v->chan = c;
	c->view = v;
	TAILQ_INSERT_TAIL(&r->open_views, v, lru);
	r->nviews++;
	return 0;
}

/* The stored JSON of a message, in r->rec. */
static int
fetch(struct relay *r, const struct chan *c, uint64_t seq,
    struct rec_head *head)
{
	int rc;

	buf_clear(&r->rec);
	rc = store_read(r->store, c->pos[seq % c->pos_cap], &r->rec);
	return rc < 0 ? rc : rec_head(head, r->rec.p, r->rec.len);
}

/* After a start: up to where had the ring come? */
static void
find_viewed(struct relay *r, struct chan *c, uint64_t floor)
{
	struct rec_head head;
	uint64_t seq;

	for (seq = c->seq; seq > floor; seq--)
		if (fetch(r, c, seq, &head) == 0 &&
		    spool_ring_has(c->view->ring, head.json, head.json_len))
			break;
	c->viewed = seq;
	c->view_known = true;
}

/* Up to max lines of one channel; how many were written. */
static int
write_some(struct relay *r, struct chan *c, int max)
{
	uint64_t floor = history_first(c) - 1;
	struct rec_head head;
	int n, rc;

	rc = view_open(r, c);
	if (rc < 0)
		return rc;
	if (c->seq - floor > SPOOL_RING_LINES)
		floor = c->seq - SPOOL_RING_LINES;
	if (!c->view_known)
		find_viewed(r, c, floor);
	if (c->viewed < floor)
		c->viewed = floor;
	for (n = 0; n < max && c->viewed < c->seq && rc == 0; n++) {
		rc = fetch(r, c, c->viewed + 1, &head);
		if (rc == 0)
			rc = spool_ring_add(c->view->ring, head.json,
			    head.json_len);
		if (rc == 0)
			c->viewed++;
	}
	if (rc == 0)
		rc = spool_ring_flush(c->view->ring);
	return rc < 0 ? rc : n;
}

void
view_mark(struct relay *r, struct chan *c)
{
	if (c->on_views)
		return;
	c->on_views = true;
	TAILQ_INSERT_TAIL(&r->views, c, views);
	loop_view_soon(r);
}

void
view_flush(struct relay *r)
{
	struct chan *c;
	int left = LINES_MAX, n;

	turn_commit(r);
	while (left > 0 && (c = TAILQ_FIRST(&r->views)) != NULL) {
		TAILQ_REMOVE(&r->views, c, views);
		c->on_views = false;
		n = write_some(r, c, left);
		if (n < 0) {
			log_warn("view", "channel", c->name, "err",
			    ac_strerror(n), NULL);
			continue;
		}
		left -= n + 1;
		if (c->viewed < c->seq)
			view_mark(r, c);
	}
	if (!TAILQ_EMPTY(&r->views))
		loop_view_soon(r);
}
