/*
 * chan.c - channels and who is in them.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* With its entry in the map. */
#define CHAN_BYTES ((int64_t)(sizeof(struct chan) + MEM_ALLOC + MEM_SLOT))
#define INVITE_BYTES ((int64_t)(sizeof(struct invite) + MEM_ALLOC + MEM_SLOT))
/* With its place in members, and its lines in ids and names. */
#define MEMBER_BYTES ((int64_t)(sizeof(struct member) + MEM_ALLOC + 128))

struct chan *
chan_find(struct relay *r, const char *name, size_t len)
{
	return map_get(&r->chans, name, len);
}

size_t
chan_count_public(const struct relay *r)
{
	const struct chan *c;
	size_t at = 0, n = 0;

	while ((c = map_next(&r->chans, &at)) != NULL)
		n += !c->invite_only;
	return n;
}

int
chan_new(struct relay *r, const char *name, size_t len, bool invite_only,
    struct chan **out)
{
	struct chan *c;

	if (len >= sizeof(c->name))
		return -EINVAL;
	if (chan_find(r, name, len) != NULL)
		return -EEXIST;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	memcpy(c->name, name, len);
	c->name_len = (uint8_t)len;
	c->invite_only = invite_only;
	map_init(&c->invited);
	if (map_put(&r->chans, c->name, len, c) < 0) {
		free(c);
		return -ENOMEM;
	}
	mem_grow(CHAN_BYTES);
	*out = c;
	return 0;
}

void
chan_free(struct chan *c)
{
	struct invite *i;
	size_t at = 0;

	if (c == NULL)
		return;
	while ((i = map_next(&c->invited, &at)) != NULL) {
		mem_grow(-INVITE_BYTES);
		free(i);
	}
	map_fini(&c->invited);
	chan_unlist(c);
	free(c->members);
	mem_grow(-CHAN_BYTES - (int64_t)(c->pos_cap * sizeof(*c->pos)));
	free(c->pos);
	free(c);
}

struct member *
chan_member(const struct chan *c, const struct peer *p)
{
	struct member *m;

	/* A session is in few channels; a channel may have many members. */
	LIST_FOREACH(m, &p->in, of_peer)
		if (m->chan == c)
			return m;
	return NULL;
}

/*
 * The list is kept as text: a thousand that join one channel would have it
 * printed a thousand times.
 */
static void
list_one(struct chan *c, const struct peer *p)
{
	wire_json_sep(&c->ids);
	wire_json_str(&c->ids, p->id, p->id_len);
	wire_json_key(&c->names, p->id);
	wire_json_str(&c->names, p->name, strlen(p->name));
	if (p->presence == NULL)
		return;
	wire_json_key(&c->presences, p->id);
	wire_json_str(&c->presences, p->presence, strlen(p->presence));
}

static bool
list_failed(const struct chan *c)
{
	return buf_err(&c->ids) < 0 || buf_err(&c->names) < 0 ||
	    buf_err(&c->presences) < 0;
}

int
chan_add(struct chan *c, struct peer *p, struct member **out)
{
	struct member *m;

	if (c->count == c->cap) {
		size_t cap = c->cap != 0 ? c->cap * 2 : 4;
		struct member **all = realloc(c->members, cap * sizeof(*all));

		if (all == NULL)
			return -ENOMEM;
		c->members = all;
		c->cap = cap;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return -ENOMEM;
	m->peer = p;
	m->chan = c;
	m->at = c->count;
	c->members[c->count++] = m;
	if (c->listed) {
		list_one(c, p);
		c->listed = !list_failed(c);
	}
	mem_grow(MEMBER_BYTES);
	LIST_INSERT_HEAD(&p->in, m, of_peer);
	p->chans++;
	*out = m;
	return 0;
}

void
chan_remove(struct member *m)
{
	struct chan *c = m->chan;

	chan_unlist(c);
	c->members[m->at] = c->members[--c->count];
	c->members[m->at]->at = m->at;
	LIST_REMOVE(m, of_peer);
	m->peer->chans--;
	mem_grow(-MEMBER_BYTES);
	free(m);
}

void
chan_tell(struct relay *r, struct chan *c, const struct peer *except)
{
	size_t off, len;

	if (c->count == 0) {
		buf_clear(&r->json);
		return;
	}
	off = peer_share(r, SHARE_TELL, r->json.p, r->json.len, &len);
	if (buf_err(&r->json) < 0 || buf_err(&r->shared[SHARE_TELL]) < 0)
		log_error("tell", "channel", c->name, "err", "out of memory",
		    NULL);
	else
		for (size_t i = 0; i < c->count; i++)
			if (c->members[i]->peer != except)
				peer_put_shared(c->members[i]->peer,
				    SHARE_TELL, off, len);
	buf_clear(&r->json);
}

static void
list_all(struct chan *c)
{
	buf_clear(&c->ids);
	buf_clear(&c->names);
	buf_addc(&c->ids, '[');
	buf_addc(&c->names, '{');
	buf_clear(&c->presences);
	buf_addc(&c->presences, '{');
	for (size_t i = 0; i < c->count; i++)
		list_one(c, c->members[i]->peer);
	c->listed = !list_failed(c);
}

void
chan_unlist(struct chan *c)
{
	c->listed = false;
	buf_fini(&c->ids);
	buf_fini(&c->names);
	buf_fini(&c->presences);
}

void
chan_put_members(struct relay *r, struct chan *c, enum wire_field field)
{
	struct buf *b = &r->json;

	if (!c->listed)
		list_all(c);
	if (!c->listed)
		b->failed = true;
	wire_put_raw(b, field, c->ids.p, c->ids.len);
	buf_addc(b, ']');
	wire_put_raw(b, WF_NAMES, c->names.p, c->names.len);
	buf_addc(b, '}');
	if (c->presences.len <= 1)
		return;
	wire_put_raw(b, WF_PRESENCES, c->presences.p, c->presences.len);
	buf_addc(b, '}');
}

int
chan_invite(struct chan *c, const char *who)
{
	struct invite *i;

	if (map_get(&c->invited, who, strlen(who)) != NULL)
		return 0;
	i = calloc(1, sizeof(*i));
	if (i == NULL)
		return -ENOMEM;
	snprintf(i->who, sizeof(i->who), "%s", who);
	if (map_put(&c->invited, i->who, strlen(i->who), i) < 0) {
		free(i);
		return -ENOMEM;
	}
	mem_grow(INVITE_BYTES);
	return 0;
}

bool
chan_invited(const struct chan *c, const struct peer *p)
{
	char serial[IDENT_ID_MAX];

	if (!c->invite_only)
		return true;
	if (p->agent != NULL &&
	    map_get(&c->invited, p->id, p->id_len) != NULL)
		return true;
	invite_serial(p, serial);
	return map_get(&c->invited, serial, strlen(serial)) != NULL;
}

bool
chan_visible(const struct chan *c, const struct peer *p)
{
	return !c->invite_only || chan_member(c, p) != NULL;
}

void
invite_serial(const struct peer *p, char out[IDENT_ID_MAX])
{
	/* Not an id: no id starts like this. */
	snprintf(out, IDENT_ID_MAX, "s%llu", (unsigned long long)p->serial);
}
