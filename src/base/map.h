/*
 * map.h - a hash table from byte strings to pointers.
 *
 * Keys are borrowed: they live in the value and outlast the entry. The hash is
 * SipHash-1-3 with a key of the process's own, because names come from the
 * network and an attacker must not choose which of them collide.
 */
#ifndef AC_BASE_MAP_H
#define AC_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct map_slot {
	const char	*key;	/* NULL: empty or deleted */
	size_t		 len;
	uint64_t	 hash;	/* of the key; 1 in an empty slot: deleted */
	void		*value;
};

struct map {
	struct map_slot	*slots;
	size_t		 cap;	/* 0 or a power of two */
	size_t		 count;	/* live entries */
	size_t		 used;	/* live and deleted */
	uint64_t	 k0, k1;
};

/* Cannot fail: memory is taken at the first put. */
void	map_init(struct map *) AC_NONNULL(1);
void	map_fini(struct map *) AC_NONNULL(1);

void	*map_get(const struct map *, const char *key, size_t len)
	    AC_NONNULL(1, 2);

/*
 * Put or replace. key is borrowed until the entry is deleted or replaced.
 * 0 or -ENOMEM, and then the map is as before.
 */
int	map_put(struct map *, const char *key, size_t len, void *value)
	    AC_NONNULL(1, 2, 4) AC_MUST_CHECK;

/* Take the entry out and return its value; NULL if there was none. */
void	*map_del(struct map *, const char *key, size_t len) AC_NONNULL(1, 2);

/*
 * Walk in no order: start with *at = 0, ends with NULL. Entries may be
 * deleted on the way, none put.
 */
void	*map_next(const struct map *, size_t *at) AC_NONNULL(1, 2);

#endif
