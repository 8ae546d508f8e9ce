/*
 * drop.h - send through the local daemon: a file in out/, then its receipt.
 */
#ifndef AC_CLI_DROP_H
#define AC_CLI_DROP_H

#include <stdint.h>

#include "cli/cmd.h"
#include "cli/inst.h"

/*
 * Put text into target's out/ (joining it first where it isn't) and wait for
 * the receipt, which is appended to receipt. timeout_ms -1: don't wait.
 * Returns an exit code, having said why: EXIT_REFUSED with the reason in
 * failed/, EXIT_TIMEOUT (it stays queued).
 */
int	drop_send(struct inst *, const struct cmd *, const char *target,
	    const struct buf *text, int64_t timeout_ms, struct buf *receipt)
	    AC_NONNULL(1, 2, 3, 4, 6) AC_MUST_CHECK;

#endif
