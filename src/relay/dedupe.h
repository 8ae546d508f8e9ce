/*
 * dedupe.h - the newest ids of one sender.
 */
#ifndef AC_RELAY_DEDUPE_H
#define AC_RELAY_DEDUPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define DEDUPE_MAX	1000
#define DEDUPE_LEAST	64		/* remembered however full memory is */

struct known {			/* enough to confirm it once more */
	uint64_t	body;		/* hash: tells a resend from another */
	uint64_t	j, seq, number;
	int64_t		ts;
};
struct dedupe {
	uint64_t	*hash;		/* of the ids; NULL until the first */
	struct known	*known;
	unsigned	 count, next, cap;
};
/* What is known of the id with this hash, or NULL. Borrowed. */
const struct known *dedupe_find(const struct dedupe *, uint64_t hash)
	    AC_NONNULL(1);
int	dedupe_add(struct dedupe *, uint64_t hash, const struct known *)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
/* The i-th oldest, 0 .. count - 1: an index into both arrays. */
unsigned dedupe_at(const struct dedupe *, unsigned i) AC_NONNULL(1);
void	dedupe_undo(struct dedupe *) AC_NONNULL(1);	/* the newest */
/* Add what from knows; from is empty then. What doesn't fit is forgotten. */
void	dedupe_merge(struct dedupe *to, struct dedupe *from)
	    AC_NONNULL(1, 2);
void	dedupe_fini(struct dedupe *) AC_NONNULL(1);
/* FNV-1a, 64 bits: h is 0 for the first part, then what came back. */
uint64_t dedupe_hash(uint64_t h, const char *, size_t len) AC_NONNULL(2);

#endif
