/*
 * seen.h - the newest so many keys that were met: a set that forgets.
 */
#ifndef AC_DAEMON_SEEN_H
#define AC_DAEMON_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/map.h"
#include "wire/msg.h"

#define SEEN_KEY_LEN 64		/* hex digits */

struct seen {
	char		(*keys)[SEEN_KEY_LEN + 1]; /* a ring of max keys */
	size_t		 max, at, count;
	struct map	 map;
	int64_t		 oldest_ts;	/* the owner's; 0 at first */
};

int	seen_new(struct seen **, size_t max) AC_NONNULL(1) AC_MUST_CHECK;
void	seen_free(struct seen *);		/* NULL accepted */

/*
 * What tells a message from all others: its msg_id, or, from a relay that has
 * none, sender, time and content.
 */
void	seen_key(const struct wire_msg *, char key[SEEN_KEY_LEN + 1])
	    AC_NONNULL(1, 2);

/*
 * What its sender calls it, whatever number and msg_id a relay gives it: for
 * one that is sent again to a relay that has lost it. False: it has no name.
 */
bool	seen_said_key(const struct wire_msg *, char key[SEEN_KEY_LEN + 1])
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

bool	seen_has(const struct seen *, const char key[SEEN_KEY_LEN + 1])
	    AC_NONNULL(1, 2);
/* Add a key, forgetting the oldest beyond max. Out of memory: not added. */
void	seen_add(struct seen *, const char key[SEEN_KEY_LEN + 1])
	    AC_NONNULL(1, 2);

/*
 * Is the message among them, by either key? once: by what its sender calls it
 * it is known no more after this; the same said once more is another one.
 */
bool	seen_knows(struct seen *, const struct wire_msg *, bool once)
	    AC_NONNULL(1, 2);

#endif
