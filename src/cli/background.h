/*
 * background.h - start a daemon that outlives the command.
 */
#ifndef AC_CLI_BACKGROUND_H
#define AC_CLI_BACKGROUND_H

#include "cli/cmd.h"
#include "daemon/daemon.h"

/*
 * Run the daemon in a session of its own, its output in daemon.log, and
 * return when it is connected (EXIT_OK) or has failed (an exit code, having
 * said why; then nothing is left running).
 */
int	background_start(const struct cmd_line *, const struct daemon_conf *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
