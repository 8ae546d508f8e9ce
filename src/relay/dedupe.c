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

int
dedupe_add(struct dedupe *d, uint64_t hash, const struct known *known)
{
	if (d->hash == NULL) {
		d->hash = malloc(DEDUPE_MAX * sizeof(*d->hash));
		d->known = malloc(DEDUPE_MAX * sizeof(*d->known));
		if (d->hash == NULL || d->known == NULL) {
			dedupe_fini(d);
			return -ENOMEM;
		}
	}
	d->hash[d->next] = hash;
	d->known[d->next] = *known;
	d->next = (d->next + 1) % DEDUPE_MAX;
	if (d->count < DEDUPE_MAX)
		d->count++;
	return 0;
}

unsigned
dedupe_at(const struct dedupe *d, unsigned i)
{
	return (d->next + DEDUPE_MAX - d->count + i) % DEDUPE_MAX;
}

void
dedupe_undo(struct dedupe *d)
{
	if (d->count == 0)
		return;
	d->next = (d->next + DEDUPE_MAX - 1) % DEDUPE_MAX;
	/* What the ring had here before is forgotten: a thousandth of it. */
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
	free(d->hash);
	free(d->known);
	*d = (struct dedupe){ 0 };
}
