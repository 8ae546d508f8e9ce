/*
 * complete.h - what a shell may offer when Tab is pressed.
 */
#ifndef AC_CLI_COMPLETE_H
#define AC_CLI_COMPLETE_H

#include "cli/cmd.h"

/*
 * Append a completion script for "bash", "zsh" or "fish", made from the table
 * of commands. -EINVAL: another shell.
 */
int	complete_script(struct buf *, const char *shell)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/*
 * Append the words of a kind, a line each, a tab and what it is behind some:
 * "commands", "instances" (those under the line's root), "channels",
 * "agents" or "boxes", which is both (those that the line's instance knows).
 * Returns an exit code, having said why: EXIT_USAGE for another kind,
 * EXIT_NOT_FOUND for no such instance.
 */
int	complete_words(struct buf *, const struct cmd_line *, const char *kind)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

#endif
