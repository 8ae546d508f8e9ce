/*
 * cmd_accept.c - agentchat accept [server] proposal
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/deal.h"

static const struct cmd_opt accept_opts[] = {
	{ 'p', "payment-code", "CODE", "where to, or how, it is paid" },
	DEAL_OPTS
};

static int
accept_run(const struct cmd *cmd, int argc, char **argv)
{
	return deal_run(cmd, argc, argv, WIRE_ACCEPT);
}

const struct cmd cmd_accept = {
	.name = "accept",
	.args = "[server] proposal",
	.summary = "Accept a proposal that was made to you",
	.with = "propose",
	.opts = accept_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 1, .max_args = 1,
	.run = accept_run,
};
