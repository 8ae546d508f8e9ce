/*
 * out.h - standard output: data, whole or a failure.
 *
 * What is printed is put together in a struct buf and written at once, so
 * that a write error is known before anything is made of its success.
 */
#ifndef AC_CLI_OUT_H
#define AC_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

/*
 * Before anything else of a program: descriptors 0 to 2 are open, and a
 * closed pipe is no signal. -1 if that can't be had.
 */
int	out_init(void) AC_MUST_CHECK;

/*
 * Write the buf to standard output and clear it. Returns an exit code:
 * EXIT_OK, or EXIT_FAILED after saying why (nothing is said if the reader
 * has closed the pipe: it knows).
 */
int	out_put(struct buf *) AC_NONNULL(1) AC_MUST_CHECK;

bool	out_is_terminal(void);
/* A terminal that wants colour: not with NO_COLOR, not TERM=dumb. */
bool	out_has_colour(void);

/*
 * Append text from elsewhere so that a terminal shows it and does nothing
 * else: control characters, line breaks, characters that reorder or hide
 * text, and bytes that are no UTF-8 become escapes (\n, \x1b, \u202e).
 */
void	out_text(struct buf *, const char *, size_t len) AC_NONNULL(1, 2);

/* Columns that the text takes: one per character, good enough for names. */
size_t	out_width(const char *, size_t len) AC_NONNULL(1);

/* Append the text of out_text(), then spaces up to that many columns. */
void	out_cell(struct buf *, const char *, size_t width) AC_NONNULL(1, 2);

#endif
