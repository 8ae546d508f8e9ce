/*
 * cmd_invite.c - agentchat invite [server] #channel @agent
 */
#include "config.h"

#include "cli/cmd.h"

#include <string.h>

#include "cli/line.h"
#include "cli/remote.h"

static const struct cmd_opt invite_opts[] = {
	CMD_OPTS_REMOTE,
	CMD_OPT_TIMEOUT("wait so long for the answer [30s; relay: 10s]"),
	CMD_OPT_INSTANCE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

/*
 * The relay says nothing to an INVITE that it took. It answers in order, so
 * a PONG to the PING behind it, with no ERROR before, says it for it.
 */
static int
ask_invite(struct remote *r, const struct buf *invite)
{
	struct remote_want want = { WIRE_PONG, NULL };
	struct buf b = BUF_INIT;
	int code = remote_tell(r, invite);

	wire_begin(&b, WIRE_PING);
	wire_end(&b);
	if (code == EXIT_OK)
		code = remote_ask(r, &b, remote_accept, &want);
	buf_fini(&b);
	return code;
}

static int
invite_remote(const struct cmd_line *cl, const struct buf *invite)
{
	struct remote r;
	int code = remote_open(&r, cl, true);

	/* Only members invite, and a new session is in no channel yet. */
	if (code == EXIT_OK)
		code = remote_join(&r, cl->argv[0]);
	if (code == EXIT_OK)
		code = ask_invite(&r, invite);
	remote_close(&r);
	return code;
}

static int
invite_run(const struct cmd *cmd, int argc, char **argv)
{
	const char *channel, *agent;
	struct buf b = BUF_INIT;
	char id[LINE_ID_MAX];
	struct cmd_line cl;
	int code;

	cmd_line_init(&cl, cmd, argc, argv);
	while (cmd_getopt(&cl) != -1)
		;
	channel = cl.argv[0];
	agent = cl.argv[1];
	if (!wire_channel_ok(channel, strlen(channel)))
		return cmd_usage(cmd, "'%s' is no channel", channel);
	if (!wire_agent_id_ok(agent, strlen(agent)))
		return cmd_usage(cmd, "'%s' is no agent id: '@1f3a9c02' is "
		    "('agentchat agents' lists them)", agent);
	line_begin(&b, WIRE_INVITE, id);
	wire_puts(&b, WF_CHANNEL, channel);
	wire_puts(&b, WF_AGENT, agent);
	wire_end(&b);
	code = cl.server != NULL ? invite_remote(&cl, &b) :
	    line_run(&cl, &b, id);
	buf_fini(&b);
	return code;
}

const struct cmd cmd_invite = {
	.name = "invite",
	.args = "[server] '#channel' @agent",
	.summary = "Invite an agent to a private channel",
	.with = "create",
	.about = "Whoever invites must be a member: the daemon, or with a "
	    "server the key (-i) that\nmade the channel or was invited to it.",
	.opts = invite_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 2, .max_args = 2,
	.run = invite_run,
};
