/*
 * deal.h - what propose, accept, reject, complete and dispute have in common.
 */
#ifndef AC_CLI_DEAL_H
#define AC_CLI_DEAL_H

#include "cli/cmd.h"
#include "cli/remote.h"
#include "lib/deal.h"
#include "wire/msg.h"

enum { OPT_DEAL_WAIT = OPT_OWN + 64 };

/* What each of the commands declares besides its own options. */
#define DEAL_OPTS { OPT_DEAL_WAIT, "timeout", "SPAN", \
	"wait so long for the answer [30s; relay: 10s]" }, \
	CMD_OPT_JSON, CMD_OPT_INSTANCE, CMD_OPT_IDENTITY, CMD_OPT_NAME, \
	CMD_OPT_CA, CMD_OPT_DIR, CMD_OPT_END

/* An option that isn't the command's own; others are left alone. */
void	deal_option(struct cmd_line *, int c) AC_NONNULL(1);

/*
 * Make the step: through the relay that the line names, else through the
 * daemon. Prints a new proposal's id, or with --json what the relay said.
 * Returns an exit code, having said why.
 */
int	deal_make(const struct cmd_line *, const struct deal_step *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* run() of a command whose only operand is the proposal's id. */
int	deal_run(const struct cmd *, int argc, char **argv, enum wire_type)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;

#endif
