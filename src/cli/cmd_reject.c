/*
 * cmd_reject.c - agentchat reject [server] proposal
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/deal.h"

static const struct cmd_opt reject_opts[] = {
	{ 'r', "reason", "TEXT", "why" },
	DEAL_OPTS
};

static int
reject_run(const struct cmd *cmd, int argc, char **argv)
{
	return deal_run(cmd, argc, argv, WIRE_REJECT);
}

const struct cmd cmd_reject = {
	.name = "reject",
	.args = "[server] proposal",
	.summary = "Turn a proposal down",
	.with = "propose",
	.opts = reject_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 1, .max_args = 1,
	.run = reject_run,
};
