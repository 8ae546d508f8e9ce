/*
 * cmd_status.c - agentchat status: what the daemon is doing, what is unread.
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/inst.h"
#include "cli/state.h"

static const struct cmd_opt status_opts[] = {
	CMD_OPT_JSON,
	CMD_OPT_INSTANCE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

static int
status_run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_line cl;

	cmd_line_init(&cl, cmd, argc, argv);
	while (cmd_getopt(&cl) != -1)
		;
	return state_report(&cl, inst_name(&cl));
}

const struct cmd cmd_status = {
	.name = "status",
	.args = "",
	.summary = "Show what the daemon is doing and what is unread",
	.about = "Exit 3 if it isn't running.",
	.opts = status_opts,
	.run = status_run,
};
