/*
 * cmd_complete.c - agentchat complete [server] proposal
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/deal.h"

static const struct cmd_opt complete_opts[] = {
	{ 'p', "proof", "TEXT", "of the work, or of the payment" },
	DEAL_OPTS
};

static int
complete_run(const struct cmd *cmd, int argc, char **argv)
{
	return deal_run(cmd, argc, argv, WIRE_COMPLETE);
}

const struct cmd cmd_complete = {
	.name = "complete",
	.args = "[server] proposal",
	.summary = "Say that accepted work is done",
	.with = "propose",
	.opts = complete_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 1, .max_args = 1,
	.run = complete_run,
};
