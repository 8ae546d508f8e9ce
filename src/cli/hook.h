/*
 * hook.h - `status --hook`: a harness asks whether its agent may stop.
 */
#ifndef AC_CLI_HOOK_H
#define AC_CLI_HOOK_H

#include "cli/cmd.h"

/*
 * Read the hook's JSON on standard input. If something is unread, and the
 * agent isn't going on because of a hook already, print the JSON that makes
 * it go on: how much is unread, in which boxes, where to read it. Of what
 * others wrote nothing is in it, but the names of boxes, which are letters,
 * digits, '_' and '-'.
 *
 * Returns an exit code; EXIT_OK in silence if there is nothing to tell, or no
 * instance.
 */
int	hook_run(struct cmd_line *) AC_NONNULL(1) AC_MUST_CHECK;

#endif
