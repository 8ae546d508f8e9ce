/*
 * reason.h - why a connection could not be made: lib's own.
 */
#ifndef AC_LIB_REASON_H
#define AC_LIB_REASON_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

struct conn_url;
struct lws;

/*
 * Append a sentence to why, and return its code, a negative errno. wsi is the
 * socket that failed, text (len bytes) what libwebsockets says; both may be
 * NULL. address, numeric, is what was tried: it may be tried once more, for a
 * quarter of a second.
 */
int	reason_find(struct buf *why, const struct conn_url *,
	    const char *address, struct lws *wsi, const char *text, size_t len)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

#endif
