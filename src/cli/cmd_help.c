/*
 * cmd_help.c - agentchat help [command]
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/complete.h"
#include "cli/llm.h"
#include "cli/out.h"

enum { OPT_COMPLETIONS = OPT_OWN, OPT_WORDS, OPT_LLM };

static const struct cmd_opt help_opts[] = {
	{ OPT_LLM, "llm", NULL, "all that a language model has to know" },
	{ OPT_COMPLETIONS, "completions", "SHELL",
	    "print completions for bash, zsh or fish" },
	{ OPT_WORDS, "words", "KIND", "print what they offer: commands, ..." },
	CMD_OPT_INSTANCE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

static int
help_about(const struct cmd_line *cl, struct buf *b)
{
	const struct cmd *cmd, *near;

	if (cl->argc == 0) {
		cmd_help_all(b);
		return EXIT_OK;
	}
	cmd = cmd_find(cl->argv[0]);
	if (cmd != NULL) {
		cmd_help_one(b, cmd);
		return EXIT_OK;
	}
	near = cmd_nearest(cl->argv[0]);
	if (near != NULL)
		return cmd_fail(cl->cmd, EXIT_USAGE,
		    "no command '%s': did you mean '%s'?", cl->argv[0],
		    near->name);
	return cmd_fail(cl->cmd, EXIT_USAGE, "no command '%s'", cl->argv[0]);
}

static int
help_run(const struct cmd *self, int argc, char **argv)
{
	const char *shell = NULL, *kind = NULL;
	struct cmd_line cl;
	struct buf b = BUF_INIT;
	int c, code = EXIT_OK;
	bool llm = false;

	cmd_line_init(&cl, self, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1) {
		if (c == OPT_COMPLETIONS)
			shell = cl.arg;
		else if (c == OPT_WORDS)
			kind = cl.arg;
		else if (c == OPT_LLM)
			llm = true;
	}
	if ((shell != NULL) + (kind != NULL) + llm + (cl.argc > 0) > 1)
		return cmd_usage(self, "one at a time of a command, "
		    "--completions, --words and --llm");
	if (shell != NULL) {
		if (complete_script(&b, shell) < 0)
			code = cmd_usage(self,
			    "completions are there for bash, zsh and fish");
	} else if (kind != NULL) {
		code = complete_words(&b, &cl, kind);
	} else if (llm) {
		llm_contract(&b);
	} else {
		code = help_about(&cl, &b);
	}
	if (code == EXIT_OK)
		code = out_put(&b);
	buf_fini(&b);
	return code;
}

const struct cmd cmd_help = {
	.name = "help",
	.args = "[command]",
	.summary = "Show the commands, or one of them",
	.opts = help_opts,
	.max_args = 1,
	.run = help_run,
};
