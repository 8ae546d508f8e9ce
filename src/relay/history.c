/*
 * history.c - where a channel's newest messages are in the store, and sending
 * them to a member that is behind.
 *
 * A member that replays isn't told of new messages: it meets them at the end
 * of its replay, so that it gets everything once and in order however slowly
 * it reads. Each part is sent when the one before has left the queue.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

uint64_t
history_first(const struct chan *c)
{
	return c->seq - c->depth + 1;
}

static int
grow(struct chan *c, size_t max)
{
	size_t cap = c->pos_cap != 0 ? c->pos_cap * 2 : 32;
	uint64_t *pos;

	if (cap > max)
		cap = max;
	if (cap <= c->pos_cap)
		return 0;
	pos = malloc(cap * sizeof(*pos));
	if (pos == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->depth; i++) {
		uint64_t seq = c->seq - i;

		pos[seq % cap] = c->pos[seq % c->pos_cap];
	}
	mem_grow((int64_t)((cap - c->pos_cap) * sizeof(*pos)));
	free(c->pos);
	c->pos = pos;
	c->pos_cap = cap;
	return 0;
}

int
history_add(struct chan *c, const struct relay_conf *conf, uint64_t pos)
{
	if (conf->history == 0) {
		c->seq++;
		return 0;
	}
	/* Memory full: what is oldest goes, however much it was to keep. */
	if (c->depth == c->pos_cap &&
	    (c->pos_cap == 0 || mem_has_room(MEM_STATE)) &&
	    grow(c, (size_t)conf->history) < 0)
		return -ENOMEM;
	c->seq++;
	c->pos[c->seq % c->pos_cap] = pos;
	if (c->depth < c->pos_cap)
		c->depth++;
	return 0;
}

void
history_undo(struct chan *c)
{
	/* The slot's older message is lost to history, nothing else. */
	if (c->depth > 0)
		c->depth--;
	c->seq--;
}

int
history_place(struct chan *c, const struct relay_conf *conf, uint64_t seq,
    uint64_t pos)
{
	uint64_t first = history_first(c), depth = c->seq - seq + 1;

	if (seq == 0 || seq > c->seq || depth > (uint64_t)conf->history)
		return 0;
	while (depth > c->pos_cap)
		if (grow(c, (size_t)conf->history) < 0)
			return -ENOMEM;
	for (uint64_t s = seq; s < first; s++)
		c->pos[s % c->pos_cap] = 0;
	c->pos[seq % c->pos_cap] = pos;
	if (depth > c->depth)
		c->depth = depth;
	return 0;
}

void
history_forget(struct chan *c, uint64_t end)
{
	uint64_t seq = c->seq, first = history_first(c);

	while (seq >= first && c->pos[seq % c->pos_cap] >= end)
		seq--;
	c->depth = c->seq - seq < c->depth ? c->seq - seq : c->depth;
}

/* One stored message, as a frame of its own for this member. */
static int
put_one(struct member *m, uint64_t seq)
{
	struct peer *p = m->peer;
	struct relay *r = p->relay;
	uint64_t pos = m->chan->pos[seq % m->chan->pos_cap];
	struct rec_head head;
	int rc;

	if (pos == 0)
		return 0;	/* lost to a damaged journal */
	buf_clear(&r->rec);
	rc = store_read(r->store, pos, &r->rec);
	if (rc == 0)
		rc = rec_head(&head, r->rec.p, r->rec.len);
	if (rc < 0)
		return rc;
	buf_clear(&r->json);
	turn_open(&r->json, head.json, head.json_len);
	if (seq <= m->replay_to)
		wire_put_bool(&r->json, WF_REPLAY, true);
	if (p->cap_stored)
		wire_put_int(&r->json, WF_J, (int64_t)pos + 1);
	wire_end(&r->json);
	peer_reply_own(p);
	return 0;
}

void
history_pump(struct member *m)
{
	struct chan *c = m->chan;
	size_t before = peer_queued(m->peer);
	int rc;

	if (m->next_seq == 0)
		return;
	/* What it waits for may have gone meanwhile. */
	if (m->next_seq < history_first(c))
		m->next_seq = history_first(c);
	while (m->next_seq <= c->seq) {
		if (peer_queued(m->peer) - before >= PUMP_BYTES ||
		    m->peer->state == PEER_CLOSING) {
			m->peer->behind = true;
			return;
		}
		rc = put_one(m, m->next_seq);
		if (rc < 0) {
			char num[LOG_NUM_MAX];

			log_error("history", "channel", c->name, "seq",
			    log_num(num, (long long)m->next_seq), "err",
			    ac_strerror(rc), NULL);
		}
		m->next_seq++;
	}
	m->next_seq = 0;
}

void
history_pump_peer(struct peer *p)
{
	struct member *m;

	p->behind = false;
	if (p->mail_behind)
		mailbox_pump(p);
	LIST_FOREACH(m, &p->in, of_peer)
		history_pump(m);
	if (p->behind)
		listen_want_write(p);
}
