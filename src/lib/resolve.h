/*
 * resolve.h - a host's addresses, without making the loop wait for them:
 * lib's own.
 */
#ifndef AC_LIB_RESOLVE_H
#define AC_LIB_RESOLVE_H

#include <stddef.h>

#include "base/attr.h"

struct loop;
struct resolve;

#define RESOLVE_MAX	8	/* addresses that are tried */
#define RESOLVE_LEN	64	/* of one as text, with a zone, and its NUL */

/*
 * Called once, from the loop: count numeric addresses in the order to try
 * them, borrowed; or none, and why (static). The resolve may be cancelled
 * from there, and has to be at some time.
 */
typedef void resolve_fn(void *arg, const char (*addresses)[RESOLVE_LEN],
    size_t count, const char *why);

int	resolve_start(struct resolve **, struct loop *, const char *host,
	    resolve_fn *, void *arg) AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;
/* Forget it, answered or not. NULL accepted. */
void	resolve_cancel(struct resolve *);

#endif
