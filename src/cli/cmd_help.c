/*
 * cmd_help.c - agentchat help [command]
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/out.h"

static int
help_run(const struct cmd *self, int argc, char **argv)
{
	const struct cmd *cmd = NULL, *near;
	struct cmd_line cl;
	struct buf b = BUF_INIT;
	int code;

	cmd_line_init(&cl, self, argc, argv);
	while (cmd_getopt(&cl) != -1)
		;
	if (cl.argc > 0 && (cmd = cmd_find(cl.argv[0])) == NULL) {
		near = cmd_nearest(cl.argv[0]);
		if (near != NULL)
			return cmd_fail(self, EXIT_USAGE,
			    "no command '%s': did you mean '%s'?", cl.argv[0],
			    near->name);
		return cmd_fail(self, EXIT_USAGE, "no command '%s'",
		    cl.argv[0]);
	}
	if (cmd != NULL)
		cmd_help_one(&b, cmd);
	else
		cmd_help_all(&b);
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

const struct cmd cmd_help = {
	.name = "help",
	.args = "[command]",
	.summary = "Show the commands, or one of them",
	.max_args = 1,
	.run = help_run,
};
