/*
 * map.c - a hash table from byte strings to pointers: open addressing, linear
 * probing, at most three quarters full.
 */
#include "config.h"

#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rnd.h"

#define ROTL(x, n) ((x) << (n) | (x) >> (64 - (n)))

static void
sipround(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = ROTL(v[1], 13) ^ v[0];
	v[3] = ROTL(v[3], 16) ^ v[2];
	v[0] = ROTL(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = ROTL(v[1], 17) ^ v[2];
	v[3] = ROTL(v[3], 21) ^ v[0];
	v[2] = ROTL(v[2], 32);
}

/* SipHash-1-3, after Aumasson and Bernstein. Never 1: see map_slot. */
static uint64_t
hash(const struct map *m, const char *p, size_t len)
{
	uint64_t v[4] = {
		m->k0 ^ 0x736f6d6570736575, m->k1 ^ 0x646f72616e646f6d,
		m->k0 ^ 0x6c7967656e657261, m->k1 ^ 0x7465646279746573
	};
	uint64_t word, last = (uint64_t)len << 56;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, p + i, 8);
		v[3] ^= word;
		sipround(v);
		v[0] ^= word;
	}
	for (size_t j = 0; i + j < len; j++)
		last |= (uint64_t)(unsigned char)p[i + j] << (8 * j);
	v[3] ^= last;
	sipround(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int n = 0; n < 3; n++)
		sipround(v);
	word = v[0] ^ v[1] ^ v[2] ^ v[3];
	return word != 1 ? word : 2;
}

void
map_init(struct map *m)
{
	memset(m, 0, sizeof(*m));
}

void
map_fini(struct map *m)
{
	free(m->slots);
	map_init(m);
}

static struct map_slot *
find(const struct map *m, const char *key, size_t len, uint64_t h)
{
	if (m->cap == 0)
		return NULL;
	for (size_t i = h & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];

		if (s->key == NULL && s->hash != 1)
			return NULL;
		if (s->key != NULL && s->hash == h && s->len == len &&
		    memcmp(s->key, key, len) == 0)
			return s;
	}
}

void *
map_get(const struct map *m, const char *key, size_t len)
{
	struct map_slot *s = m->cap != 0 ?
	    find(m, key, len, hash(m, key, len)) : NULL;

	return s != NULL ? s->value : NULL;
}

static void
insert(struct map *m, const struct map_slot *entry)
{
	size_t i = entry->hash & (m->cap - 1);

	while (m->slots[i].key != NULL || m->slots[i].hash == 1)
		i = (i + 1) & (m->cap - 1);
	m->slots[i] = *entry;
	m->count++;
	m->used++;
}

static int
grow(struct map *m)
{
	struct map old = *m;
	size_t cap = 16;

	while (cap < m->count * 2 + 2)
		cap *= 2;
	m->slots = calloc(cap, sizeof(*m->slots));
	if (m->slots == NULL) {
		*m = old;
		return -ENOMEM;
	}
	m->cap = cap;
	m->count = m->used = 0;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].key != NULL)
			insert(m, &old.slots[i]);
	free(old.slots);
	return 0;
}

int
map_put(struct map *m, const char *key, size_t len, void *value)
{
	struct map_slot entry = { key, len, 0, value }, *s;
	int rc;

	if (m->k0 == 0 && m->k1 == 0) {
		rnd_bytes(&m->k0, sizeof(m->k0));
		rnd_bytes(&m->k1, sizeof(m->k1));
	}
	entry.hash = hash(m, key, len);
	s = find(m, key, len, entry.hash);
	if (s != NULL) {
		*s = entry;
		return 0;
	}
	if ((m->used + 1) * 4 > m->cap * 3) {
		rc = grow(m);
		if (rc < 0)
			return rc;
	}
	insert(m, &entry);
	return 0;
}

void *
map_del(struct map *m, const char *key, size_t len)
{
	struct map_slot *s = m->cap != 0 ?
	    find(m, key, len, hash(m, key, len)) : NULL;
	void *value;

	if (s == NULL)
		return NULL;
	value = s->value;
	*s = (struct map_slot){ NULL, 0, 1, NULL };
	m->count--;
	return value;
}

void *
map_next(const struct map *m, size_t *at)
{
	while (*at < m->cap) {
		const struct map_slot *s = &m->slots[(*at)++];

		if (s->key != NULL)
			return s->value;
	}
	return NULL;
}
