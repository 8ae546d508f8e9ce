/*
 * dedupe.c - the newest ids of one sender, to know a resend.
 *
 * Of an id only the hash is kept, with what a confirmation needs: the message
 * itself may be long gone from the history when its sender asks again. Two
 * ids of one sender with the same 64 bits would be taken for one.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>

uint64_t
dedupe_hash(uint64_t h, const char *p, size_t len)
{
	if (h == 0)
		h = 0xcbf29ce484222325;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)p[i]) * 0x100000001b3;
	/* Parts must not run into one another. */
	return (h ^ 0xff) * 0x100000001b3;
}

const struct known *
dedupe_find(const struct dedupe *d, uint64_t hash)
{
	for (unsigned i = 0; i < d->count; i++)
		if (d->hash[i] == hash)
			return &d->known[i];
	return NULL;
}

static int64_t
size(unsigned cap)
{
	return cap == 0 ? 0 : 2 * MEM_ALLOC + (int64_t)cap *
	    (int64_t)(sizeof(uint64_t) + sizeof(struct known));
}

static int
grow(struct dedupe *d)
{
	unsigned cap = d->cap != 0 ? d->cap * 2 : DEDUPE_LEAST;
	struct known *known;
	uint64_t *hash;

	if (cap > DEDUPE_MAX)
		cap = DEDUPE_MAX;
	hash = malloc(cap * sizeof(*hash));
	known = malloc(cap * sizeof(*known));
	if (hash == NULL || known == NULL) {
		free(hash);
		free(known);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < d->count; i++) {
		hash[i] = d->hash[dedupe_at(d, i)];
		known[i] = d->known[dedupe_at(d, i)];
	}
	free(d->hash);
	free(d->known);
	d->hash = hash;
	d->known = known;
	d->next = d->count;
	mem_grow(size(cap) - size(d->cap));
	d->cap = cap;
	return 0;
}

int
dedupe_add(struct dedupe *d, uint64_t hash, const struct known *known)
{
	/* Without room it goes on with those it has: the oldest goes. */
	if (d->count == d->cap && d->cap < DEDUPE_MAX &&
	    (d->cap == 0 || mem_has_room(MEM_STATE)) && grow(d) < 0 &&
	    d->cap == 0)
		return -ENOMEM;
	d->hash[d->next] = hash;
	d->known[d->next] = *known;
	d->next = (d->next + 1) % d->cap;
	if (d->count < d->cap)
		d->count++;
	return 0;
}

unsigned
dedupe_at(const struct dedupe *d, unsigned i)
{
	return (d->next + d->cap - d->count + i) % d->cap;
}

void
dedupe_undo(struct dedupe *d)
{
	if (d->count == 0)
		return;
	d->next = (d->next + d->cap - 1) % d->cap;
	/* What the ring had here before is forgotten. */
	d->hash[d->next] = 0;
	if (d->next == d->count - 1)
		d->count--;
}

void
dedupe_merge(struct dedupe *to, struct dedupe *from)
{
	for (unsigned i = 0; i < from->count; i++) {
		unsigned at = dedupe_at(from, i);

		if (dedupe_add(to, from->hash[at], &from->known[at]) < 0)
			break;
	}
	dedupe_fini(from);
}

void
dedupe_fini(struct dedupe *d)
{
	mem_grow(-size(d->cap));
	free(d->hash);
	free(d->known);
	*d = (struct dedupe){ 0 };
}
