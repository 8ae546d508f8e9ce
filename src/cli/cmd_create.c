/*
 * cmd_create.c - agentchat create server #channel: make a channel.
 */
#include "config.h"

#include "cli/cmd.h"

#include <string.h>

#include "cli/remote.h"

static const struct cmd_opt create_opts[] = {
	{ 'p', "private", NULL, "only who is invited may join" },
	CMD_OPTS_REMOTE,
	CMD_OPT_TIMEOUT("wait so long for the relay [10s]"),
	CMD_OPT_DIR,
	CMD_OPT_END
};

static int
create_run(const struct cmd *cmd, int argc, char **argv)
{
	struct remote_want want = { WIRE_JOINED, NULL };
	struct buf b = BUF_INIT;
	bool private = false;
	struct cmd_line cl;
	struct remote r;
	int c, code;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		private |= c == 'p';
	if (!wire_channel_ok(cl.argv[0], strlen(cl.argv[0])))
		return cmd_usage(cmd, "'%s' is no channel: '#' and 1 to 31 "
		    "letters, digits, '_' and '-' are", cl.argv[0]);
	want.channel = cl.argv[0];
	wire_begin(&b, WIRE_CREATE_CHANNEL);
	wire_puts(&b, WF_CHANNEL, want.channel);
	wire_put_bool(&b, WF_INVITE_ONLY, private);
	wire_end(&b);
	code = remote_open(&r, &cl, true);
	if (code == EXIT_OK)
		code = remote_ask(&r, &b, remote_accept, &want);
	remote_close(&r);
	buf_fini(&b);
	return code;
}

const struct cmd cmd_create = {
	.name = "create",
	.args = "server '#channel'",
	.summary = "Make a channel",
	.about = "Through a daemon, mkdir '#channel' does it.",
	.opts = create_opts,
	.server = CMD_MUST_SERVER,
	.min_args = 1, .max_args = 1,
	.run = create_run,
};
