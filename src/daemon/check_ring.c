/*
 * check_ring.c - is inbox.jsonl what it should be? And if not, again.
 *
 * A ring is a view of what came, most of which is still in new/ and cur/. To
 * make one anew: its good lines in their order; then, where they belong by
 * time, the messages that it lost. Older ones than its first line had gone
 * from it before, and don't come back; of an empty ring, all do.
 */
#include "config.h"

#include "daemon/check_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct entry {
	int64_t	 ts, seq;
	size_t	 order;		/* among those of one ts and seq */
	char	*line;
	size_t	 len;
};

struct lines {
	struct wire_msg	*msg;
	struct entry	*v;
	size_t		 n, cap;
	struct map	 have;		/* by the line */
	int64_t		 since;		/* of the ring's first line */
	int		 rc;
};

static void
lines_fini(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].line);
	free(l->v);
	map_fini(&l->have);
}

static int
add(struct lines *l, const char *line, size_t len, int64_t ts, int64_t seq)
{
	struct entry *e;
	int rc;

	if (l->n == l->cap) {
		size_t cap = l->cap != 0 ? 2 * l->cap : 256;

		e = reallocarray(l->v, cap, sizeof(*e));
		if (e == NULL)
			return -ENOMEM;
		l->v = e;
		l->cap = cap;
	}
	e = &l->v[l->n];
	*e = (struct entry){ .ts = ts, .seq = seq, .order = l->n,
	    .len = len };
	e->line = malloc(len + 1);
	if (e->line == NULL)
		return -ENOMEM;
	memcpy(e->line, line, len);
	e->line[len] = '\0';
	rc = map_put(&l->have, e->line, len, e->line);
	if (rc < 0)
		free(e->line);
	else
		l->n++;
	return rc;
}

/* Its number in the channel, or in our mailbox. */
static int64_t
seq_of(const struct wire_msg *m)
{
	return wire_int(m, WF_SEQ, wire_int(m, WF_MAILBOX_SEQ, 0));
}

/* A line of the ring: good if it is an object. */
static bool
from_ring(void *arg, const char *line, size_t len)
{
	static const struct entry none;
	struct lines *l = arg;
	const struct entry *last = l->n > 0 ? &l->v[l->n - 1] : &none;
	int64_t ts, seq;

	if (wire_parse_object(l->msg, line, len) < 0)
		return false;
	/* The ring's own order stands, whatever the numbers in it say. */
	ts = wire_int(l->msg, WF_TS, last->ts);
	if (ts < last->ts)
		ts = last->ts;
	seq = seq_of(l->msg);
	if (ts == last->ts && seq < last->seq)
		seq = last->seq;
	if (l->n == 0)
		l->since = ts;
	if (l->rc == 0)
		l->rc = add(l, line, len, ts, seq);
	return true;
}

static int
from_box(void *arg, const char *name, const char *msg, size_t len)
{
	struct lines *l = arg;
	int64_t ts;

	(void)name;
	if (len > 0 && msg[len - 1] == '\n')
		len--;
	if (len == 0 || memchr(msg, '\n', len) != NULL ||
	    wire_parse_object(l->msg, msg, len) < 0)
		return 0;
	ts = wire_int(l->msg, WF_TS, 0);
	if (ts < l->since || map_get(&l->have, msg, len) != NULL)
		return 0;
	return add(l, msg, len, ts, seq_of(l->msg));
}

static int
by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int
write_ring(const struct lines *l, int dir, const char *name)
{
	size_t i = l->n > SPOOL_RING_LINES ? l->n - SPOOL_RING_LINES : 0;
	struct spool_ring *ring;
	int rc = spool_ring_open(&ring, dir, name);

	if (rc < 0)
		return rc;
	for (; rc == 0 && i < l->n; i++)
		rc = spool_ring_add(ring, l->v[i].line, l->v[i].len);
	if (rc == 0)
		rc = spool_ring_flush(ring);
	spool_ring_close(ring);
	return rc;
}

static int
rebuild(struct check *c, struct lines *l, int dir, const char *path,
    struct spool_box *const *boxes, size_t nboxes)
{
	static const enum spool_sub subs[] = { SPOOL_CUR, SPOOL_NEW };
	const char *name = strrchr(path, '/');
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2 * nboxes; i++)
		rc = spool_walk(boxes[i / 2], subs[i % 2], true,
		    SPOOL_RING_LINES, from_box, l);
	if (rc < 0)
		return rc;
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), by_time);
	rc = check_aside(c, dir, path);
	if (rc >= 0 || rc == -ENOENT)
		rc = write_ring(l, dir, name != NULL ? name + 1 : path);
	return rc;
}

static bool
any_message(struct spool_box *const *boxes, size_t nboxes)
{
	size_t n;

	for (size_t i = 0; i < nboxes; i++)
		if ((spool_count(boxes[i], SPOOL_NEW, &n) == 0 && n > 0) ||
		    (spool_count(boxes[i], SPOOL_CUR, &n) == 0 && n > 0))
			return true;
	return false;
}

/* What is wrong with it, in words; "" if nothing is. */
static void
judge(struct buf *what, int there, const struct check_lines *n, bool any)
{
	if (any && n->good + n->bad + n->torn == 0 && there != -EFBIG)
		buf_adds(what, there == -ENOENT ? "It isn't there, and "
		    "messages are." : "It is empty, and messages are there.");
	else if (there == -EFBIG)
		buf_adds(what, "It is far too long.");
	else if (n->bad > 0 && n->good == 0)
		buf_adds(what, "None of its lines is a message.");
	else if (n->bad > 0)
		buf_addf(what, "%zu of its %zu lines are no messages.",
		    n->bad, n->bad + n->good);
	else if (n->torn > 0)
		buf_addf(what, "Its last %zu bytes are part of a line.",
		    n->torn);
	else if (n->good > SPOOL_RING_LINES)
		buf_addf(what, "It has %zu lines, more than %d.", n->good,
		    SPOOL_RING_LINES);
}

int
check_ring(struct check *c, int dir, const char *path,
    struct spool_box *const *boxes, size_t nboxes, struct wire_msg *scratch)
{
	const char *name = strrchr(path, '/');
	struct lines l = { .msg = scratch };
	struct check_lines n = { 0 };
	struct buf what = BUF_INIT;
	int rc = check_file(c, dir, path, false);

	if (rc == 0 && !c->repair)
		return 0;	/* no file of ours: told */
	map_init(&l.have);
	if (rc == 1)
		rc = check_lines(dir, name != NULL ? name + 1 : path,
		    from_ring, &l, &n);
	else
		rc = -ENOENT;	/* or it was moved away just now */
	if (l.rc < 0)
		rc = l.rc;
	judge(&what, rc, &n, any_message(boxes, nboxes));
	if (rc == -ENOENT || rc == -EFBIG)
		rc = 0;
	if (rc == 0)
		rc = buf_err(&what);
	if (rc == 0 && what.len > 0 && c->repair) {
		rc = rebuild(c, &l, dir, path, boxes, nboxes);
		if (rc == 0)
			check_tell(c, CHECK_MENDED, "ring", path,
			    "It was made anew; the old one is in "
			    "quarantine/.", "%s", what.p);
	} else if (rc == 0 && what.len > 0) {
		check_tell(c, CHECK_WRONG, "ring", path,
		    "--repair makes it anew; new/ and cur/ are right.", "%s",
		    what.p);
	}
	buf_fini(&what);
	lines_fini(&l);
	return rc;
}
