/*
 * buf.h - a growing run of bytes.
 *
 * Appending never fails at the call: a buf that could not grow remembers it,
 * ignores what follows, and says -ENOMEM when asked once at the end. So a
 * message is put together without a check per field, and can't be sent half.
 */
#ifndef AC_BASE_BUF_H
#define AC_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct buf {
	char	*p;	/* len bytes, then a NUL; NULL while cap is 0 */
	size_t	 len;
	size_t	 cap;	/* bytes allocated */
	bool	 failed;
};

#define BUF_INIT { NULL, 0, 0, false }

void	buf_init(struct buf *) AC_NONNULL(1);
void	buf_fini(struct buf *) AC_NONNULL(1);

/* Forget the content (and a failure), keep the memory. */
void	buf_clear(struct buf *) AC_NONNULL(1);

/* Room for n more bytes and a NUL, and where they go; NULL if there is none. */
char	*buf_reserve(struct buf *, size_t n) AC_NONNULL(1);

void	buf_add(struct buf *, const void *, size_t) AC_NONNULL(1);
void	buf_adds(struct buf *, const char *) AC_NONNULL(1, 2);
void	buf_addc(struct buf *, char) AC_NONNULL(1);
void	buf_addf(struct buf *, const char *, ...) AC_NONNULL(1, 2)
	    AC_PRINTF(2, 3);

/* Drop the first n bytes; the rest moves down. */
void	buf_drop(struct buf *, size_t n) AC_NONNULL(1);

/* 0, or -ENOMEM if an append was lost since init or clear. */
int	buf_err(const struct buf *) AC_NONNULL(1) AC_MUST_CHECK;

#endif
