/*
 * letter.h - what `send` and `reply` have to say, and to whom.
 */
#ifndef AC_CLI_LETTER_H
#define AC_CLI_LETTER_H

#include <stdbool.h>

#include "base/buf.h"
#include "cli/cmd.h"
#include "cli/inst.h"

/* Options of every command that sends one message; their numbers. */
enum { OPT_NO_WAIT = OPT_OWN, OPT_ENCRYPT, OPT_LETTER_OWN };

#define CMD_OPTS_LETTER \
	{ OPT_ENCRYPT, "encrypt", NULL, "so that only @agent can read it" }, \
	{ OPT_NO_WAIT, "no-wait", NULL, "don't wait for the receipt" }

struct letter {
	const char	*target;	/* borrowed */
	const char	*reply_to;	/* borrowed; NULL: answers nothing */
	struct buf	 content;	/* owned: buf_fini() */
	bool		 no_wait, encrypt;
};

/*
 * Take the message from the operand ("-": standard input, without the last
 * newline) and check all of the letter. Returns an exit code, having said why.
 */
int	letter_read(const struct cmd *, struct letter *, const char *operand)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/*
 * Send it through the daemon, wait for the receipt unless no_wait, and print
 * that for --json. Returns an exit code, having said why.
 */
int	letter_drop(struct inst *, const struct cmd_line *,
	    const struct letter *) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/*
 * Read it and send it to the relay cl->server in a session of its own; print
 * the echo for --json. Returns an exit code, having said why.
 */
int	send_remote(const struct cmd_line *cl, struct letter *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
