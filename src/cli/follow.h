/*
 * follow.h - new lines of a ring (inbox.jsonl), each once.
 *
 * The ring is appended to, and now and then replaced by its own newest lines.
 * A reader that remembers only an offset loses its place then; this one finds
 * it again by the last line that it gave.
 */
#ifndef AC_CLI_FOLLOW_H
#define AC_CLI_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct follow;

/* dir is borrowed. from_start: what is there already counts as new. */
int	follow_open(struct follow **, int dir, const char *name,
	    bool from_start) AC_NONNULL(1, 3) AC_MUST_CHECK;
void	follow_close(struct follow *);	/* NULL accepted */

/*
 * fn for every whole line that is new, without its newline and padding,
 * oldest first. fn's non-zero result ends it and is returned: that line was
 * taken. *missed is set if lines have gone unseen; it is never cleared.
 */
typedef int follow_fn(void *arg, const char *line, size_t len);
int	follow_read(struct follow *, follow_fn *, void *arg, bool *missed)
	    AC_NONNULL(1, 2, 4) AC_MUST_CHECK;

#endif
