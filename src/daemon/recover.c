/*
 * recover.c - what a crash left between two steps of a delivery.
 *
 * A staged file at or below the cursor had been synced: it is shown now,
 * behind its line in the rings. One above it comes again from the relay. One
 * without any number of a relay comes from nowhere again; it is shown if it
 * is whole, and where the relay does repeat itself, room.c knows it by its
 * content.
 */
#include "config.h"

#include "daemon/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct recovery {
	struct daemon	*d;
	struct wire_msg	 msg;
	size_t		 shown, dropped;
};

/* Is it at or below the cursor, or of no numbering? */
static bool
is_ours(struct recovery *r, struct spool_box *box, const char *name)
{
	const struct cursor *c = &r->d->rx.cursor;
	const char *box_name = spool_box_name(box);
	int64_t seq = wire_int(&r->msg, WF_SEQ, 0);
	int64_t mailbox_seq = wire_int(&r->msg, WF_MAILBOX_SEQ, 0);
	const struct cursor_pos *pos;

	if (*box_name == '#' && seq > 0) {
		pos = cursor_get(c, box_name);
		return pos != NULL && (uint64_t)seq <= pos->seq;
	}
	/* A mailbox number in its name: it was ours, not another's. */
	if (mailbox_seq > 0 && spool_name_seq(name) == (uint64_t)mailbox_seq)
		return (uint64_t)mailbox_seq <= c->mailbox.seq;
	if (spool_name_seq(name) > r->d->rx.local)
		r->d->rx.local = spool_name_seq(name);
	return true;
}

static int
into_rings(struct recovery *r, struct spool_box *box, const char *line,
    size_t len)
{
	struct spool_ring *ring;
	int rc = spool_ring_main(r->d->sp, &ring);

	if (rc == 0 && !spool_ring_has(ring, line, len))
		rc = spool_ring_add(ring, line, len);
	if (rc == 0)
		rc = spool_ring_flush(ring);
	if (rc == 0)
		rc = spool_ring_box(box, &ring);
	if (rc == 0 && !spool_ring_has(ring, line, len))
		rc = spool_ring_add(ring, line, len);
	return rc == 0 ? spool_ring_flush(ring) : rc;
}

static int
one(void *arg, struct spool_box *box, const char *name, const char *msg,
    size_t len)
{
	struct recovery *r = arg;
	const char *from;
	int rc;

	/* Without its newline it isn't whole: the disk was cut off. */
	if (len == 0 || msg[len - 1] != '\n' ||
	    wire_parse_object(&r->msg, msg, len - 1) < 0 ||
	    !is_ours(r, box, name)) {
		r->dropped++;
		return 0;
	}
	rc = into_rings(r, box, msg, len - 1);
	if (rc < 0)
		return rc;
	r->shown++;
	from = wire_str(&r->msg, WF_FROM);
	return from != NULL && daemon_is_me(r->d, from) ? 2 : 1;
}

int
recover_box(struct daemon *d, struct spool_box *box)
{
	struct recovery r = { .d = d };
	char shown[LOG_NUM_MAX], dropped[LOG_NUM_MAX];
	int rc;

	wire_msg_init(&r.msg);
	rc = spool_recover(box, one, &r);
	wire_msg_fini(&r.msg);
	if (r.shown > 0 || r.dropped > 0)
		log_info("recovered", "box", spool_box_name(box), "delivered",
		    log_num(shown, (long long)r.shown), "left to the relay",
		    log_num(dropped, (long long)r.dropped), NULL);
	return rc;
}
