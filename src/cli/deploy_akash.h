/*
 * deploy_akash.h - what 'agentchat deploy' does on Akash.
 */
#ifndef AC_CLI_DEPLOY_AKASH_H
#define AC_CLI_DEPLOY_AKASH_H

#include <stdbool.h>

#include "base/attr.h"
#include "cli/cmd.h"
#include "deploy/deploy.h"

struct akash_line {
	const struct cmd_line	*cl;
	const struct deploy_conf *conf;
	bool			 yes;	/* may spend without asking */
};

/* Each returns the command's exit code. */
int	akash_up(const struct akash_line *) AC_NONNULL(1);
int	akash_dry(const struct akash_line *) AC_NONNULL(1);
int	akash_list(const struct akash_line *) AC_NONNULL(1);
int	akash_reap(const struct akash_line *) AC_NONNULL(1);
int	akash_close(const struct akash_line *, const char *dseq)
	    AC_NONNULL(1, 2);
int	akash_status(const struct akash_line *, const char *dseq)
	    AC_NONNULL(1, 2);

#endif
