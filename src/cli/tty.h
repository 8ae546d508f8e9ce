/*
 * tty.h - lines that a person types, or a program writes to us.
 *
 * On a terminal: an editor with history (libedit), and what is printed appears
 * above the line that is being typed. Elsewhere: lines of standard input as
 * they come, and plain printing.
 */
#ifndef AC_CLI_TTY_H
#define AC_CLI_TTY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

#define TTY_LINE_MAX	(1 << 20)	/* bytes of one line; longer: cut */

struct tty;
struct loop;

/*
 * Called from the loop. In them the line may be printed to and its prompt be
 * set; only end may not be followed by either.
 *
 * line		a whole line, without its newline; borrowed
 * end		there will be no more: end of the input, ^D, ^C
 * complete	append to out what follows the len bytes of text that are left
 *		of the cursor (Tab); nothing if nothing fits. May be NULL
 */
struct tty_ops {
	void	(*line)(void *arg, const char *text, size_t len);
	void	(*end)(void *arg);
	void	(*complete)(void *arg, const char *text, size_t len,
		    struct buf *out);
};

/* Are standard input and output a terminal that can be edited on? */
bool	tty_is_terminal(void);

/* Begins to read at once. */
int	tty_open(struct tty **, struct loop *, const struct tty_ops *,
	    void *arg) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
/* The terminal is as it was before; NULL accepted. */
void	tty_close(struct tty *);

/*
 * What stands before the text being typed: plain text and, between \1 and \1,
 * sequences that colour it. Copied; shown only on a terminal.
 */
void	tty_prompt(struct tty *, const char *) AC_NONNULL(1, 2);

/*
 * Print whole lines. Returns an exit code, having said why, as out_put(); the
 * buf is cleared.
 */
int	tty_print(struct tty *, struct buf *) AC_NONNULL(1, 2) AC_MUST_CHECK;

/* As if the input had ended here: no more lines, and end is called. */
void	tty_end(struct tty *) AC_NONNULL(1);

/* Leave what is written to us in the kernel for a while. */
void	tty_pause(struct tty *, bool pause) AC_NONNULL(1);

#endif
