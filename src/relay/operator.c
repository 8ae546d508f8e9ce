/*
 * operator.c - a file in #channel/out/ of the relay's spool is said to the
 * channel by @server.
 *
 * The same queue as a daemon's takes it in; its id makes a message that was
 * written before a crash known after it, so that it is said once.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define INTAKE_MAX	64	/* files taken in at a time */

struct operator {
	struct relay		*relay;
	struct spool_queue	*queue;
	struct spool_watch	*watch;
	bool			 again;	/* look once more at the next tick */
};

/* Watch a channel's out/, if somebody made its directory or it is a default. */
static int
watch_box(void *arg, const char *name)
{
	struct operator *op = arg;
	struct spool_box *box;
	int rc;

	if (name[0] != '#' ||
	    chan_find(op->relay, name, strlen(name)) == NULL)
		return 0;
	rc = spool_box(op->relay->spool, name, true, &box);
	if (rc == 0)
		rc = spool_watch_box(op->watch, box);
	if (rc < 0)
		log_warn("operator", "channel", name, "err", ac_strerror(rc),
		    NULL);
	return 0;
}

/* The file's text as one JSON string, without the newline echo adds. */
static int
as_content(struct buf *raw, const struct buf *body)
{
	size_t len = body->len;

	if (len > 0 && body->p[len - 1] == '\n')
		len--;
	if (len == 0 || !wire_utf8_ok(body->p, len))
		return -EINVAL;
	wire_json_str(raw, body->p, len);
	return buf_err(raw);
}

static int
say(struct relay *r, struct chan *c, const char *id, const struct buf *raw)
{
	int64_t now = clock_wall_ms();
	struct rec_head h = {
		.to = c->name, .to_len = c->name_len,
		.from = RELAY_SERVER_ID, .from_len = strlen(RELAY_SERVER_ID),
		.flags = REC_VERIFIED, .seq = c->seq + 1,
		.ts = now > c->ts ? now : c->ts, .number = r->number + 1,
		.id = id, .id_len = (uint8_t)strlen(id),
	};
	struct buf *b = &r->json;
	int rc;

	buf_clear(b);
	wire_begin(b, WIRE_MSG);
	wire_puts(b, WF_FROM, RELAY_SERVER_ID);
	wire_put_str(b, WF_TO, c->name, c->name_len);
	wire_put_raw(b, WF_CONTENT, raw->p, raw->len);
	wire_put_int(b, WF_TS, h.ts);
	wire_puts(b, WF_FROM_NAME, r->conf.name);
	wire_put_bool(b, WF_VERIFIED, true);
	turn_put_msg_id(b, r, h.number);
	wire_put_int(b, WF_SEQ, (int64_t)h.seq);
	wire_end(b);
	rc = buf_err(b);
	h.json = b->p;
	h.json_len = b->len;
	if (rc == 0)
		rc = turn_msg(r, c, NULL, &h);
	buf_clear(b);
	if (rc == 0) {
		c->ts = h.ts;
		rc = turn_commit(r);
	}
	return rc;
}

static int
say_item(struct operator *op, const struct spool_item *item)
{
	struct relay *r = op->relay;
	struct chan *c = chan_find(r, item->target, strlen(item->target));
	struct buf body = BUF_INIT, raw = BUF_INIT;
	char id[WIRE_ID_MAX + 1];
	uint64_t hash;
	int rc;

	snprintf(id, sizeof(id), "%s-%" PRIx64, spool_queue_nonce(op->queue),
	    item->id);
	hash = dedupe_hash(0, id, strlen(id));
	if (c == NULL || dedupe_find(&r->said, hash) != NULL)
		return 0;
	rc = spool_queue_read(op->queue, item, &body);
	if (rc == 0 && as_content(&raw, &body) < 0)
		log_warn("operator", "file", item->name, "err", "empty, or "
		    "not UTF-8 text: not said", NULL);
	else if (rc == 0)
		rc = say(r, c, id, &raw);
	buf_fini(&body);
	buf_fini(&raw);
	return rc;
}

/* The operator speaks rarely: the loop can wait for the disk. */
static int
sync_queue(struct operator *op)
{
	int fd, rc = spool_queue_sync_begin(op->queue, &fd);

	if (rc != 1)
		return rc;
	return spool_queue_sync_end(op->queue,
	    fdatasync(fd) == -1 ? -errno : 0);
}

static void
say_all(struct operator *op)
{
	const struct spool_item *item;
	uint64_t id;
	int rc = sync_queue(op);

	if (rc < 0) {
		op->relay->fatal = rc;	/* nothing is safe any more */
		return;
	}
	while ((item = spool_queue_next(op->queue, 0)) != NULL) {
		id = item->id;
		rc = say_item(op, item);
		if (rc == 0)
			rc = spool_queue_done(op->queue, id);
		if (rc < 0) {
			log_warn("operator", "err", ac_strerror(rc), "does",
			    "tries again later", NULL);
			return;
		}
	}
}

static int
take_box(void *arg, const char *name)
{
	struct operator *op = arg;
	struct spool_box *box;
	bool busy = false;
	int rc;

	if (name[0] != '#' || spool_box(op->relay->spool, name, false,
	    &box) < 0)
		return 0;
	do {
		rc = spool_intake_drop(op->queue, box, INTAKE_MAX, &busy);
	} while (rc == 1);
	/* A file that is still written to gives no event when it is old. */
	op->again |= busy;
	return rc;
}

static void
on_hint(void *arg, enum spool_hint hint, struct spool_box *box)
{
	struct operator *op = arg;

	(void)hint;
	if (box == NULL)
		operator_rescan(op->relay);
	else if (take_box(op, spool_box_name(box)) < 0)
		op->again = true;
}

void
operator_read(struct relay *r)
{
	struct operator *op = r->operator;

	if (op == NULL)
		return;
	if (spool_watch_read(op->watch, on_hint, op) < 0)
		operator_rescan(r);
	say_all(op);
}

void
operator_tick(struct relay *r)
{
	if (r->operator != NULL && r->operator->again)
		operator_rescan(r);
}

void
operator_rescan(struct relay *r)
{
	struct operator *op = r->operator;
	int rc;

	if (op == NULL)
		return;
	op->again = false;
	rc = spool_each_box(r->spool, watch_box, op);
	if (rc == 0)
		rc = spool_each_box(r->spool, take_box, op);
	if (rc < 0)
		log_warn("operator", "err", ac_strerror(rc), NULL);
	say_all(op);
}

int
operator_open(struct relay *r)
{
	struct operator *op = calloc(1, sizeof(*op));
	struct spool_box *box;
	int rc;

	if (op == NULL)
		return -ENOMEM;
	op->relay = r;
	r->operator = op;
	rc = spool_queue_open(&op->queue, r->spool);
	if (rc == 0)
		rc = spool_watch_open(&op->watch, r->spool,
		    SPOOL_HINT_INSTANCE | SPOOL_HINT_DROP, false);
	/* These are there from the start, so that they can be found. */
	if (rc == 0)
		rc = spool_box(r->spool, "#general", true, &box);
	if (rc == 0)
		rc = spool_box(r->spool, "#agents", true, &box);
	if (rc < 0)
		return rc;
	if (spool_watch_trouble(op->watch) != NULL)
		log_warn("operator", "watch", spool_watch_trouble(op->watch),
		    NULL);
	operator_rescan(r);
	return 0;
}

int
operator_fd(const struct relay *r)
{
	return spool_watch_fd(r->operator->watch);
}

void
operator_close(struct relay *r)
{
	struct operator *op = r->operator;

	if (op == NULL)
		return;
	spool_watch_close(op->watch);
	spool_queue_close(op->queue);
	free(op);
	r->operator = NULL;
}
