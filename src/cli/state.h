/*
 * state.h - what a daemon is doing, in words or as JSON.
 */
#ifndef AC_CLI_STATE_H
#define AC_CLI_STATE_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/inst.h"
#include "daemon/daemon.h"

/* One row of a list: name, state, agent, relay. */
void	state_row(struct buf *, const struct daemon_status *) AC_NONNULL(1, 2);

/* All that there is to say, several lines. */
void	state_text(struct buf *, const struct daemon_status *) AC_NONNULL(1, 2);

/*
 * `status` and `daemon --status`: print it, and what is unread in each box.
 * EXIT_NOT_FOUND if the daemon isn't running (printed all the same).
 */
int	state_report(const struct cmd_line *, const char *instance)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
