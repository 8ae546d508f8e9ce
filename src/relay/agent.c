/*
 * agent.c - keys that have proved themselves, and the ids they own.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* With its entries in both maps. */
#define AGENT_BYTES ((int64_t)(sizeof(struct agent) + MEM_ALLOC + 2 * MEM_SLOT))

struct agent *
agent_by_id(struct relay *r, const char *id, size_t len)
{
	return map_get(&r->agents, id, len);
}

struct agent *
agent_by_key(struct relay *r, const unsigned char key[IDENT_KEY_LEN])
{
	return map_get(&r->keys, (const char *)key, IDENT_KEY_LEN);
}

int
agent_new(struct relay *r, const char *id, size_t len,
    const unsigned char key[IDENT_KEY_LEN], struct agent **out)
{
	struct agent *a;

	if (len >= sizeof(a->id))
		return -EINVAL;
	if (agent_by_id(r, id, len) != NULL || agent_by_key(r, key) != NULL)
		return -EEXIST;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	memcpy(a->key, key, sizeof(a->key));
	memcpy(a->id, id, len);
	a->id_len = (uint8_t)len;
	TAILQ_INIT(&a->letters);
	if (map_put(&r->agents, a->id, len, a) < 0) {
		free(a);
		return -ENOMEM;
	}
	if (map_put(&r->keys, (const char *)a->key, sizeof(a->key), a) < 0) {
		map_del(&r->agents, a->id, len);
		free(a);
		return -ENOMEM;
	}
	mem_grow(AGENT_BYTES);
	*out = a;
	return 0;
}

void
agent_forget(struct relay *r, struct agent *a)
{
	map_del(&r->agents, a->id, a->id_len);
	map_del(&r->keys, (const char *)a->key, sizeof(a->key));
	agent_free(a);
}

void
agent_free(struct agent *a)
{
	struct letter *l;

	if (a == NULL)
		return;
	while ((l = TAILQ_FIRST(&a->letters)) != NULL)
		mailbox_drop(a, l);
	dedupe_fini(&a->dedupe);
	mem_grow(-AGENT_BYTES);
	free(a);
}

void
agent_ack(struct relay *r, struct agent *a, uint64_t seq)
{
	if (!mailbox_ack(a, seq))
		return;
	buf_clear(&r->rec);
	rec_put_str(&r->rec, a->id, a->id_len);
	rec_put_u64(&r->rec, seq);
	/* Should it get lost, they are sent again and the reader knows them. */
	if (turn_record(r, STORE_ACK, NULL) < 0)
		log_warn("mailbox", "agent", a->id, "err", "out of memory",
		    NULL);
}

/* Does somebody with another key have this id, for ever or just now? */
static bool
taken(struct relay *r, const char *id, const unsigned char key[IDENT_KEY_LEN])
{
	const struct agent *a = agent_by_id(r, id, strlen(id));
	const struct peer *p = map_get(&r->online, id, strlen(id));

	if (a != NULL)
		return memcmp(a->key, key, sizeof(a->key)) != 0;
	return p != NULL &&
	    (!p->has_key || memcmp(p->key, key, sizeof(p->key)) != 0);
}

void
agent_id_for_key(struct relay *r, const unsigned char key[IDENT_KEY_LEN],
    char out[IDENT_ID_MAX])
{
	const struct agent *a = agent_by_key(r, key);

	if (a != NULL) {
		memcpy(out, a->id, sizeof(a->id));
		return;
	}
	ident_key_id(key, 8, out);
	if (taken(r, out, key))
		ident_key_id(key, 16, out);
}
