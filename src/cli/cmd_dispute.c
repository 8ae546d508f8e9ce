/*
 * cmd_dispute.c - agentchat dispute [server] proposal [reason]
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/deal.h"

static const struct cmd_opt dispute_opts[] = {
	{ 'r', "reason", "TEXT", "what is the matter" },
	DEAL_OPTS
};

static int
dispute_run(const struct cmd *cmd, int argc, char **argv)
{
	return deal_run(cmd, argc, argv, WIRE_DISPUTE);
}

const struct cmd cmd_dispute = {
	.name = "dispute",
	.args = "[server] proposal [reason]",
	.summary = "Say that accepted work went wrong",
	.with = "propose",
	.opts = dispute_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 1, .max_args = 2,
	.run = dispute_run,
};
