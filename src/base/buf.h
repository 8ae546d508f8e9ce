/*
 * buf.h - a growing run of bytes.
 *
 * Appending never fails at the call: a buf that could not grow remembers it,
 * ignores what follows, and says -ENOMEM when asked once at the end. So a
 * message is put together without a check per field, and can't be sent half.
 */
#ifndef AC_BASE_BUF_H
#define AC_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

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

/* Where n more bytes and a NUL go, once there is room; NULL: there is none. */
char	*buf_grow(struct buf *, size_t n) AC_NONNULL(1);

/*
 * What follows is inline: a relay prints a message in fifty pieces, and most
 * often there is room.
 */

/* Room for n more bytes and a NUL, and where they go; NULL if there is none. */
static inline char *
buf_reserve(struct buf *b, size_t n)
{
	if (!b->failed && b->cap - b->len > n)
		return b->p + b->len;
	return buf_grow(b, n);
}

static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *at = buf_reserve(b, n);

	if (at == NULL)
		return;
	if (n != 0)
		memcpy(at, p, n);
	at[n] = '\0';
	b->len += n;
}

static inline void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void	buf_addf(struct buf *, const char *, ...) AC_NONNULL(1, 2)
	    AC_PRINTF(2, 3);

/* Drop the first n bytes; the rest moves down. */
void	buf_drop(struct buf *, size_t n) AC_NONNULL(1);

/* 0, or -ENOMEM if an append was lost since init or clear. */
int	buf_err(const struct buf *) AC_NONNULL(1) AC_MUST_CHECK;

#endif
