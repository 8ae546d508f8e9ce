/*
 * main.c - the whole program: find the command, run it.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/out.h"

static int
print(void (*fill)(struct buf *))
{
	struct buf b = BUF_INIT;
	int code;

	fill(&b);
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

static void
version(struct buf *b)
{
	buf_adds(b, PACKAGE_NAME " " PACKAGE_VERSION "\n");
}

int
main(int argc, char **argv)
{
	const struct cmd *cmd;

	if (out_init() == -1)
		return EXIT_FAILED;

	if (argc < 2) {
		struct buf b = BUF_INIT;

		cmd_help_all(&b);
		fputs(b.p != NULL ? b.p : "", stderr);
		buf_fini(&b);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return print(version);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print(cmd_help_all);
	cmd = cmd_find(argv[1]);
	if (cmd == NULL) {
		struct buf b = BUF_INIT;

		out_text(&b, argv[1], strlen(argv[1]));
		cmd = cmd_nearest(argv[1]);
		fprintf(stderr, "agentchat: no command '%s'%s%s%s\n"
		    "See 'agentchat help'.\n", b.p != NULL ? b.p : "",
		    cmd != NULL ? ": did you mean '" : "",
		    cmd != NULL ? cmd->name : "", cmd != NULL ? "'?" : "");
		buf_fini(&b);
		return EXIT_USAGE;
	}
	return cmd->run(cmd, argc - 1, argv + 1);
}
