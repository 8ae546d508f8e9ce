/*
 * dedupe.c - the newest ids of one sender, to know a resend.
 *
 * Only hashes and positions are kept: what has a known hash is compared with
 * its record before it is believed.
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

uint64_t
dedupe_find(const struct dedupe *d, uint64_t hash)
{
	/* Newest last: a wrapped ring is searched as it lies. */
	for (unsigned i = 0; i < d->count; i++)
		if (d->hash[i] == hash)
			return d->pos[i];
	return 0;
}

int
dedupe_add(struct dedupe *d, uint64_t hash, uint64_t pos)
{
	if (d->hash == NULL) {
		d->hash = malloc(DEDUPE_MAX * sizeof(*d->hash));
		d->pos = malloc(DEDUPE_MAX * sizeof(*d->pos));
		if (d->hash == NULL || d->pos == NULL) {
			dedupe_fini(d);
			return -ENOMEM;
		}
	}
	d->hash[d->next] = hash;
	d->pos[d->next] = pos;
	d->next = (d->next + 1) % DEDUPE_MAX;
	if (d->count < DEDUPE_MAX)
		d->count++;
	return 0;
}

void
dedupe_undo(struct dedupe *d)
{
	if (d->count == 0)
		return;
	d->next = (d->next + DEDUPE_MAX - 1) % DEDUPE_MAX;
	/* What the ring had here before is forgotten: a thousandth of it. */
	d->hash[d->next] = 0;
	d->pos[d->next] = 0;
	if (d->next == d->count - 1)
		d->count--;
}

void
dedupe_merge(struct dedupe *to, struct dedupe *from)
{
	unsigned first = (from->next + DEDUPE_MAX - from->count) % DEDUPE_MAX;

	for (unsigned i = 0; i < from->count; i++) {
		unsigned at = (first + i) % DEDUPE_MAX;

		if (dedupe_add(to, from->hash[at], from->pos[at]) < 0)
			break;
	}
	dedupe_fini(from);
}

void
dedupe_fini(struct dedupe *d)
{
	free(d->hash);
	free(d->pos);
	*d = (struct dedupe){ 0 };
}
