/*
 * cmd_propose.c - agentchat propose [server] agent task
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/deal.h"

static const struct cmd_opt propose_opts[] = {
	{ 'a', "amount", "N", "what it is worth" },
	{ 'c', "currency", "WORD", "of the amount" },
	{ 'p', "payment-code", "CODE", "where from, or how, it is paid" },
	{ 'e', "expires", "SPAN", "until when it may be accepted, from now" },
	{ 't', "terms", "TEXT", "what else is agreed on" },
	DEAL_OPTS
};

static int
propose_run(const struct cmd *cmd, int argc, char **argv)
{
	struct deal_step s = DEAL_STEP(WIRE_PROPOSAL);
	struct cmd_line cl;
	int c;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		switch (c) {
		case 'a':
			s.amount = cmd_double(&cl, 0, 1e15);
			break;
		case 'c':
			s.currency = cl.arg;
			break;
		case 'p':
			s.payment_code = cl.arg;
			break;
		case 'e':
			s.expires = cmd_span(&cl, 1000,
			    INT64_C(10) * 366 * 86400 * 1000) / 1000;
			break;
		case 't':
			s.terms = cl.arg;
			break;
		default:
			deal_option(&cl, c);
		}
	s.to = cl.argv[0];
	s.task = cl.argv[1];
	return deal_make(&cl, &s);
}

const struct cmd cmd_propose = {
	.name = "propose",
	.args = "[server] @agent task",
	.summary = "Offer work to an agent",
	.about = "Prints the proposal's id, which the other commands want.",
	.opts = propose_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 2, .max_args = 2,
	.run = propose_run,
};
