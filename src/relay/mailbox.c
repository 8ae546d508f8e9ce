/*
 * mailbox.c - messages to an agent that it hasn't acknowledged.
 *
 * Letters are positions in the store. They leave in order: an ACK is
 * cumulative.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

bool
mailbox_has_room(const struct agent *a, const char *from, size_t len)
{
	const struct letter *l;
	size_t count = 0, bytes = 0;

	if (a->count >= MAILBOX_MAX || a->bytes + len > MAILBOX_BYTES)
		return false;
	/* Far from full nobody's share needs to be counted. */
	if (a->count < MAILBOX_MAX / 4 && a->bytes + len <= MAILBOX_BYTES / 4)
		return true;
	TAILQ_FOREACH(l, &a->letters, next)
		if (strcmp(l->from, from) == 0) {
			count++;
			bytes += l->len;
		}
	return count < MAILBOX_MAX / 4 && bytes + len <= MAILBOX_BYTES / 4;
}

/* Before that letter, or at the end. */
static int
insert(struct agent *a, struct letter *before, uint64_t seq, uint64_t pos,
    const char *from, size_t from_len, size_t len)
{
	struct letter *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	if (from_len >= sizeof(l->from))
		from_len = sizeof(l->from) - 1;
	memcpy(l->from, from, from_len);
	l->seq = seq;
	l->pos = pos;
	l->len = (uint32_t)len;
	if (before != NULL)
		TAILQ_INSERT_BEFORE(before, l, next);
	else
		TAILQ_INSERT_TAIL(&a->letters, l, next);
	a->count++;
	a->bytes += len;
	mem_grow(sizeof(*l) + MEM_ALLOC);
	return 0;
}

int
mailbox_add(struct agent *a, uint64_t seq, uint64_t pos, const char *from,
    size_t from_len, size_t len)
{
	int rc = insert(a, NULL, seq, pos, from, from_len, len);

	if (rc == 0)
		a->mailbox_seq = seq;
	return rc;
}

int
mailbox_place(struct agent *a, uint64_t seq, uint64_t pos, const char *from,
    size_t from_len, size_t len)
{
	struct letter *l;

	TAILQ_FOREACH(l, &a->letters, next)
		if (l->seq >= seq)
			break;
	if (l != NULL && l->seq == seq) {
		l->pos = pos;
		return 0;
	}
	return insert(a, l, seq, pos, from, from_len, len);
}

void
mailbox_drop(struct agent *a, struct letter *l)
{
	mem_grow(-(int64_t)(sizeof(*l) + MEM_ALLOC));
	TAILQ_REMOVE(&a->letters, l, next);
	a->count--;
	a->bytes -= l->len;
	free(l);
}

void
mailbox_undo(struct agent *a)
{
	struct letter *l = TAILQ_LAST(&a->letters, mailbox_head);

	if (l == NULL)
		return;
	a->mailbox_seq = l->seq - 1;
	mailbox_drop(a, l);
}

int
mailbox_ack(struct agent *a, uint64_t seq)
{
	struct letter *l;
	int changed = 0;

	while ((l = TAILQ_FIRST(&a->letters)) != NULL && l->seq <= seq) {
		mailbox_drop(a, l);
		changed = 1;
	}
	return changed;
}

static int
put_one(struct peer *p, const struct letter *l)
{
	struct relay *r = p->relay;
	struct rec_head head;
	int rc;

	buf_clear(&r->rec);
	rc = store_read(r->store, l->pos, &r->rec);
	if (rc == 0)
		rc = rec_head(&head, r->rec.p, r->rec.len);
	if (rc < 0)
		return rc;
	buf_clear(&r->json);
	turn_open(&r->json, head.json, head.json_len);
	wire_put_int(&r->json, WF_MAILBOX_SEQ, (int64_t)l->seq);
	wire_end(&r->json);
	peer_reply_own(p);
	return 0;
}

void
mailbox_pump(struct peer *p)
{
	size_t before = peer_queued(p);
	struct letter *l;
	int rc;

	p->mail_behind = true;
	TAILQ_FOREACH(l, &p->agent->letters, next) {
		if (l->seq <= p->letters)
			continue;
		if (peer_queued(p) - before >= PUMP_BYTES ||
		    p->state == PEER_CLOSING) {
			p->behind = true;
			return;
		}
		rc = put_one(p, l);
		if (rc < 0)
			log_error("mailbox", "agent", p->id, "err",
			    ac_strerror(rc), NULL);
		p->letters = l->seq;
	}
	p->mail_behind = false;
}
