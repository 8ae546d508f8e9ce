/*
 * cmd_send.c - agentchat send [server] target message
 *
 * With a relay: a session of its own, until the relay has the message. Without:
 * a file in the box's out/, until the daemon has put its receipt down.
 */
#include "config.h"

#include "cli/cmd.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "cli/agent_key.h"
#include "cli/letter.h"
#include "cli/out.h"
#include "cli/remote.h"
#include "lib/echo.h"

#define ID_LEN	16

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

/* ------------------------------------------------------ through a relay */

/* Encrypted: with a key that it has proved, and no other than before. */
static int
encrypt(struct remote *r, const struct cmd_line *cl, const struct letter *l,
    const char *id, struct buf *out)
{
	const struct client_info *info = call_info(r->call);
	struct client_letter letter = { .from = info->agent_id,
	    .to = l->target, .content = l->content.p, .len = l->content.len,
	    .id = id, .in_reply_to = l->reply_to, .ts_ms = clock_wall_ms() };
	struct agent_key a;
	int code, rc;

	if (r->ident == NULL)
		return cmd_fail(r->cmd, EXIT_FAILED, "to encrypt takes a key: "
		    "-i FILE ('agentchat identity --generate' makes one)");
	if (!info->caps_enc)
		return cmd_fail(r->cmd, EXIT_REFUSED,
		    "this relay doesn't pass encrypted messages on");
	code = agent_key_ask(r, cl, l->target, &a);
	if (code != EXIT_OK)
		return code;
	if (!a.proved || a.known == KNOWN_OTHER)
		return cmd_fail(r->cmd, EXIT_REFUSED, a.proved ? "%s has "
		    "ANOTHER KEY than the one in known_agents" : "%s: this "
		    "relay does not show the proof of the key", l->target);
	rc = client_make_enc(out, r->ident, &letter, a.key);
	if (rc == 0 && out->len > (size_t)info->frame_max)
		return cmd_fail(r->cmd, EXIT_REFUSED, "the message is longer "
		    "than this relay takes");
	return rc < 0 ? cmd_fail(r->cmd, cmd_code(rc), "%s",
	    ac_strerror(rc)) : EXIT_OK;
}

static int
deliver_remote(struct remote *r, const struct cmd_line *cl,
    const struct letter *l, struct echo *e)
{
	const struct client_info *info = call_info(r->call);
	struct buf b = BUF_INIT;
	int rc, code = EXIT_OK;
	size_t units;

	units = wire_utf16_len(l->content.p, l->content.len);
	if (info->content_max > 0 && units > (size_t)info->content_max)
		return cmd_fail(r->cmd, EXIT_REFUSED, "%zu characters are "
		    "more than this relay takes: at most %lld", units,
		    (long long)info->content_max);
	echo_init(e, info);
	if (l->target[0] == '#')
		code = remote_join(r, l->target);
	if (code == EXIT_OK && l->encrypt) {
		code = encrypt(r, cl, l, e->id, &b);
	} else if (code == EXIT_OK) {
		rc = client_make_msg(&b, r->ident, l->target, l->content.p,
		    l->content.len, e->id, l->reply_to);
		if (rc < 0)
			code = cmd_fail(r->cmd, cmd_code(rc), "%s",
			    ac_strerror(rc));
	}
	if (code == EXIT_OK && l->no_wait)
		code = remote_tell(r, &b);
	else if (code == EXIT_OK)
		code = remote_ask(r, &b, echo_accept, e);
	buf_fini(&b);
	return code;
}

static int
send_remote(const struct cmd_line *cl, const struct letter *l)
{
	struct echo e = { .to = l->target, .content = l->content.p,
	    .len = l->content.len, .text = BUF_INIT };
	char id[ID_LEN + 1];
	struct remote r;
	int code = remote_open(&r, cl, true);

	rnd_name(id, ID_LEN);
	e.id = id;
	if (code == EXIT_OK)
		code = deliver_remote(&r, cl, l, &e);
	remote_close(&r);
	if (code == EXIT_OK && cl->json && e.text.len > 0) {
		buf_addc(&e.text, '\n');
		code = out_put(&e.text);
	}
	buf_fini(&e.text);
	return code;
}

/* ---------------------------------------------------- through the daemon */

static int
send_local(const struct cmd_line *cl, const struct letter *l)
{
	struct inst in;
	int code = inst_open(&in, cl, true);

	if (code == EXIT_OK)
		code = letter_drop(&in, cl, l);
	inst_close(&in);
	return code;
}

/* ----------------------------------------------------------------------- */

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
	code = letter_read(cmd, &l, cl.argv[1]);
	if (code == EXIT_OK)
		code = cl.server != NULL ? send_remote(&cl, &l) :
		    send_local(&cl, &l);
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
