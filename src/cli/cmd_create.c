/*
 * cmd_create.c - agentchat create [server] #channel: make a channel.
 */
#include "config.h"

#include "cli/cmd.h"

#include <string.h>

#include "cli/line.h"
#include "cli/remote.h"

static const struct cmd_opt create_opts[] = {
	{ 'p', "private", NULL, "only who is invited may join" },
	CMD_OPTS_REMOTE,
	CMD_OPT_TIMEOUT("wait so long for the answer [30s; relay: 10s]"),
	CMD_OPT_INSTANCE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

static int
create_remote(const struct cmd_line *cl, const struct buf *b)
{
	struct remote_want want = { WIRE_JOINED, cl->argv[0] };
	struct remote r;
	int code = remote_open(&r, cl, true);

	if (code == EXIT_OK)
		code = remote_ask(&r, b, remote_accept, &want);
	remote_close(&r);
	return code;
}

static int
create_run(const struct cmd *cmd, int argc, char **argv)
{
	struct buf b = BUF_INIT;
	char id[LINE_ID_MAX];
	bool private = false;
	struct cmd_line cl;
	int c, code;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		private |= c == 'p';
	if (!wire_channel_ok(cl.argv[0], strlen(cl.argv[0])))
		return cmd_usage(cmd, "'%s' is no channel: '#' and 1 to 31 "
		    "letters, digits, '_' and '-' are", cl.argv[0]);
	line_begin(&b, WIRE_CREATE_CHANNEL, id);
	wire_puts(&b, WF_CHANNEL, cl.argv[0]);
	wire_put_bool(&b, WF_INVITE_ONLY, private);
	wire_end(&b);
	code = cl.server != NULL ? create_remote(&cl, &b) :
	    line_run(&cl, &b, id);
	buf_fini(&b);
	return code;
}

const struct cmd cmd_create = {
	.name = "create",
	.args = "[server] '#channel'",
	.summary = "Make a channel",
	.about = "Without a server the daemon makes it, and is in it: as mkdir "
	    "'#channel' does.",
	.opts = create_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 1, .max_args = 1,
	.run = create_run,
};
