/*
 * trust.h - whose key is whose: the file known_agents.
 *
 * A line per agent, for people to read and to edit:
 *
 *	@1f3a9c02 <key, 44 characters of base64> <name> <first seen>
 *
 * The first key that proves itself for an id is written down and owns the id
 * from then on (an id is 8 hex digits: other keys can be found that have it).
 * Who means to trust another takes the line out.
 */
#ifndef AC_DAEMON_TRUST_H
#define AC_DAEMON_TRUST_H

#include <stdbool.h>

#include "base/attr.h"

struct trust;

enum trust_word {
	TRUST_NEW,		/* the id is this key's, from now on */
	TRUST_OWNS,		/* since long */
	TRUST_OTHER,		/* it is another key's */
	TRUST_ROOMLESS		/* nobody's, but no more can be noted */
};

/*
 * Read dir/known_agents; none is fine. dir is borrowed. -EINVAL: a line is
 * none (*line says which, from 1), and what it said must not be forgotten;
 * -ELOOP, -ENOMEM, ...
 */
int	trust_open(struct trust **, int dir, unsigned *line)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
void	trust_free(struct trust *);		/* NULL accepted */

/* The key that owns the id, or NULL. Borrowed until the next call. */
const unsigned char *trust_key(struct trust *, const char *id)
	    AC_NONNULL(1, 2);

/*
 * This key, which fits the id, has proved itself: does it own it? The first
 * one does, and is noted (the file is written, not synced). name may be NULL.
 */
enum trust_word trust_meet(struct trust *, const char *id,
	    const unsigned char *key, const char *name) AC_NONNULL(1, 2, 3);

#endif
