/*
 * line.h - through the local daemon: a line of outbox.jsonl, then its receipt.
 */
#ifndef AC_CLI_LINE_H
#define AC_CLI_LINE_H

#include <stdint.h>

#include "cli/cmd.h"
#include "cli/inst.h"

#include "wire/msg.h"

#define LINE_MS		30000	/* to wait where the command names no time */
#define LINE_ID_MAX	17

/* Start an object with an id of its own, by which line_send() knows it. */
void	line_begin(struct buf *, enum wire_type, char id[LINE_ID_MAX])
	    AC_NONNULL(1, 3);

/*
 * Append line (one JSON object, without newline) to outbox.jsonl and wait for
 * what becomes of it: its receipt is appended to receipt. id is what the line
 * has as "id", and nobody else's.
 *
 * Returns an exit code, having said why: EXIT_REFUSED with the reason in
 * failed/, EXIT_TIMEOUT (it stays queued). timeout_ms -1: don't wait.
 */
int	line_send(struct inst *, const struct cmd *, const struct buf *line,
	    const char *id, int64_t timeout_ms, struct buf *receipt)
	    AC_NONNULL(1, 2, 3, 4, 6) AC_MUST_CHECK;

/*
 * For a command that is no more than that: open the instance that its line
 * names, send, and wait as long as it says. An exit code, as above.
 */
int	line_run(const struct cmd_line *, const struct buf *line,
	    const char *id) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/*
 * Join a channel that has no directory yet; the daemon makes it. An exit code,
 * as above: a channel that the relay doesn't have is refused, not made.
 */
int	line_join(struct inst *, const struct cmd *, const char *channel,
	    int64_t timeout_ms) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

#endif
