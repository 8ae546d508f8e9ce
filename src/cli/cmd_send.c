/*
 * cmd_send.c - agentchat send [server] target message
 *
 * With a relay: a session of its own, until the relay has the message. Without:
 * a file in the box's out/, until the daemon has put its receipt down.
 */
#include "config.h"

#include "cli/cmd.h"

#include "cli/letter.h"
#include "cli/remote.h"

static const struct cmd_opt send_opts[] = {
	{ 'r', "reply-to", "ID", "msg_id of the message this answers" },
	CMD_OPTS_LETTER,
	CMD_OPT_TIMEOUT("wait so long for the receipt [30s; relay: 10s]"),
	CMD_OPT_JSON,
	CMD_OPT_INSTANCE,
	CMD_OPTS_REMOTE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

static int
send_local(const struct cmd_line *cl, struct letter *l)
{
	struct inst in;
	int code = letter_read(cl->cmd, l, cl->argv[1]);

	if (code != EXIT_OK)
		return code;
	code = inst_open(&in, cl, true);
	if (code == EXIT_OK)
		code = letter_drop(&in, cl, l);
	inst_close(&in);
	return code;
}

static int
send_run(const struct cmd *cmd, int argc, char **argv)
{
	struct letter l = { .content = BUF_INIT };
	struct cmd_line cl;
	int c, code;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		switch (c) {
		case 'r':
			l.reply_to = cl.arg;
			break;
		case OPT_ENCRYPT:
			l.encrypt = true;
			break;
		case OPT_NO_WAIT:
			l.no_wait = true;
			break;
		}
	l.target = cl.argv[0];
	code = cl.server != NULL ? send_remote(&cl, &l) : send_local(&cl, &l);
	buf_fini(&l.content);
	return code;
}

const struct cmd cmd_send = {
	.name = "send",
	.args = "[server] target message",
	.summary = "Send a message to a #channel or an @agent",
	.about = "'-' as the message reads standard input. Prints nothing when "
	    "the relay has it\n(--json: the receipt). Exit 4: refused; 5: no "
	    "receipt in time; 75: no relay.",
	.opts = send_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 2, .max_args = 2,
	.run = send_run,
};
