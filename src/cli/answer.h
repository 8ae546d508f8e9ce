/*
 * answer.h - what the daemon put down about something that it was given.
 */
#ifndef AC_CLI_ANSWER_H
#define AC_CLI_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cmd.h"
#include "cli/eyes.h"
#include "cli/inst.h"

/* Is it this receipt? A name in dir, which may be read. */
typedef bool answer_is_cb(const void *arg, int dir, const char *name);

struct answer {
	struct inst	*in;		/* borrowed, all of them */
	const struct cmd *cmd;
	const char	*what;		/* begins a complaint, or NULL */
	answer_is_cb	*is;
	const void	*arg;
	struct eyes	*eyes;		/* opened before it was given away, with
					   SPOOL_HINT_RECEIPT */
};

/*
 * Wait for the receipt in sent/ and append it to receipt.
 *
 * Returns an exit code, having said why: EXIT_REFUSED with the reason in
 * failed/, EXIT_TIMEOUT (it stays queued).
 */
int	answer_await(const struct answer *, int64_t timeout_ms,
	    struct buf *receipt) AC_NONNULL(1, 3) AC_MUST_CHECK;

/* Append a file of the directory that a predicate was asked about. */
int	answer_slurp(int dir, const char *name, struct buf *)
	    AC_NONNULL(2, 3) AC_MUST_CHECK;

#endif
