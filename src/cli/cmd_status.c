/*
 * cmd_status.c - agentchat status: what the daemon is doing, what is unread.
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/hook.h"
#include "cli/inst.h"
#include "cli/state.h"

enum { OPT_HOOK = OPT_OWN };

static const struct cmd_opt status_opts[] = {
	{ OPT_HOOK, "hook", NULL,
	    "answer a coding agent's hook: is anything unread?" },
	CMD_OPT_JSON,
	CMD_OPT_INSTANCE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

static int
status_run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_line cl;
	bool hook = false;
	int c;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		if (c == OPT_HOOK)
			hook = true;
	if (hook && cl.json)
		return cmd_usage(cmd, "either --hook or --json");
	if (hook)
		return hook_run(&cl);
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
