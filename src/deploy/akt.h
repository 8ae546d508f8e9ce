/*
 * akt.h - run akt, Akash's own program, and hear what it says.
 *
 * It gets an argv and no shell, an environment without AKT_* but for its
 * AKT_HOME, and a process group of its own: a Ctrl-C comes to us, and we pass
 * it on, so that akt tells what it has done before it ends.
 */
#ifndef AC_DEPLOY_AKT_H
#define AC_DEPLOY_AKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define AKT_LINE_MAX	(1 << 20)	/* bytes of one line that it prints */

/* A line, borrowed, without its newline; not NUL-terminated. */
typedef void akt_line_fn(void *arg, const char *line, size_t len);

struct akt_run {
	const char	*program;	/* path */
	const char *const *args;	/* behind argv[0]; ended by NULL */
	const char	*home;		/* AKT_HOME */
	const char	*input;		/* for standard input; NULL: empty */
	size_t		 input_len;
	int64_t		 timeout_ms;
	bool		 deaf;		/* no signal that is pending stops it */
	int		 lock;		/* it inherits this; 0: nothing */
	akt_line_fn	*out, *err;	/* of each stream; NULL: thrown away */
	void		*arg;
};

/*
 * Run it to its end. SIGPIPE is to be ignored; the caller blocks SIGINT,
 * SIGTERM and SIGHUP if they are to end akt in an orderly way: one of them
 * pending is passed on as SIGINT and stays pending.
 *
 * Returns the exit status (128 and more: killed by a signal); -ETIMEDOUT,
 * -EINTR: it was told to stop, and killed 10 s later if it still ran;
 * -EMSGSIZE: a line too long; -ENOENT and others: it can't be run.
 */
int	akt_run(const struct akt_run *) AC_NONNULL(1) AC_MUST_CHECK;

/*
 * The path of a program: name if there is a '/' in it, else as $PATH has it.
 * The result is to be freed; NULL if there is none that can be run.
 */
char	*akt_find(const char *name) AC_NONNULL(1) AC_MUST_CHECK;

#endif
