/*
 * record.c - the relay's state as records: each holds the whole of one thing,
 * so that the newest of them is enough.
 */
#include "config.h"

#include "relay/internal.h"

#include <string.h>

int
record_epoch(struct relay *r)
{
	struct buf *b = &r->rec;

	buf_clear(b);
	rec_put_str(b, r->epoch, strlen(r->epoch));
	rec_put_str(b, r->boot, strlen(r->boot));
	rec_put_str(b, r->spool_id, strlen(r->spool_id));
	rec_put_u64(b, r->number);
	return turn_record(r, STORE_EPOCH, &r->epoch_pos);
}

int
record_agent(struct relay *r, struct agent *a)
{
	struct buf *b = &r->rec;

	buf_clear(b);
	rec_put_str(b, a->id, a->id_len);
	buf_add(b, (const char *)a->key, sizeof(a->key));
	rec_put_u8(b, a->bound);
	rec_put_u64(b, a->mailbox_seq);
	rec_put_u64(b, (uint64_t)a->mailbox_ts);
	rec_put_u64(b, a->dedupe.count);
	for (unsigned i = 0; i < a->dedupe.count; i++) {
		unsigned at = dedupe_at(&a->dedupe, i);
		const struct known *k = &a->dedupe.known[at];

		rec_put_u64(b, a->dedupe.hash[at]);
		rec_put_u64(b, k->body);
		rec_put_u64(b, k->j);
		rec_put_u64(b, k->seq);
		rec_put_u64(b, k->number);
		rec_put_u64(b, (uint64_t)k->ts);
	}
	return turn_record(r, STORE_AGENT, &a->pos);
}

int
record_chan(struct relay *r, struct chan *c)
{
	struct buf *b = &r->rec;
	const struct invite *i;
	uint64_t count = 0;
	size_t at;

	/* An invitation to a session ends with it. */
	for (at = 0; (i = map_next(&c->invited, &at)) != NULL;)
		count += i->who[0] == '@';
	buf_clear(b);
	rec_put_str(b, c->name, c->name_len);
	rec_put_u8(b, c->invite_only);
	rec_put_u64(b, c->seq);
	rec_put_u64(b, (uint64_t)c->ts);
	rec_put_u64(b, count);
	for (at = 0; (i = map_next(&c->invited, &at)) != NULL;)
		if (i->who[0] == '@')
			rec_put_str(b, i->who, strlen(i->who));
	return turn_record(r, STORE_CHAN, &c->state_pos);
}
