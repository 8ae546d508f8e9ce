/*
 * cmd_send.c - agentchat send [server] target message
 *
 * With a relay: a session of its own, until the relay has the message. Without:
 * a file in the box's out/, until the daemon has put its receipt down.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "cli/agent_key.h"
#include "cli/drop.h"
#include "cli/line.h"
#include "cli/inst.h"
#include "cli/out.h"
#include "cli/remote.h"
#include "lib/echo.h"

enum { OPT_NO_WAIT = OPT_OWN, OPT_ENCRYPT };

#define ID_LEN	16

static const struct cmd_opt send_opts[] = {
	{ 'r', "reply-to", "ID", "msg_id of the message this answers" },
	{ OPT_ENCRYPT, "encrypt", NULL, "so that only @agent can read it" },
	{ OPT_NO_WAIT, "no-wait", NULL, "don't wait for the receipt" },
	CMD_OPT_TIMEOUT("wait so long for the receipt [30s; relay: 10s]"),
	CMD_OPT_JSON,
	CMD_OPT_INSTANCE,
	CMD_OPTS_REMOTE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

struct letter {
	const char	*target;
	const char	*reply_to;	/* or NULL */
	struct buf	 content;
	bool		 no_wait, encrypt;
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

/*
 * Be in the channel that we have no directory of. Making it would make the
 * channel: a misspelled name is to be refused.
 */
static int
join_first(struct inst *in, const struct cmd_line *cl, const char *target,
    int64_t timeout_ms)
{
	struct spool_box *box;

	if (target[0] != '#' || spool_box(in->sp, target, false, &box) == 0)
		return EXIT_OK;
	return line_join(in, cl->cmd, target, timeout_ms);
}

static int
send_local(const struct cmd_line *cl, const struct letter *l)
{
	struct buf text = BUF_INIT, receipt = BUF_INIT;
	int64_t timeout = cl->timeout_ms >= 0 ? cl->timeout_ms : LINE_MS;
	struct inst in;
	int code = inst_open(&in, cl, true);

	/* As JSON: bare text that looks like JSON would be taken for it. */
	buf_adds(&text, "{\"content\":");
	wire_json_str(&text, l->content.p, l->content.len);
	if (l->reply_to != NULL) {
		buf_adds(&text, ",\"in_reply_to\":");
		wire_json_str(&text, l->reply_to, strlen(l->reply_to));
	}
	if (l->encrypt)
		buf_adds(&text, ",\"encrypt\":true");
	buf_adds(&text, "}\n");
	if (code == EXIT_OK)
		code = join_first(&in, cl, l->target, timeout);
	if (code == EXIT_OK)
		code = drop_send(&in, cl->cmd, l->target, &text,
		    l->no_wait ? -1 : timeout, &receipt);
	inst_close(&in);
	if (code == EXIT_OK && cl->json)
		code = out_put(&receipt);
	buf_fini(&text);
	buf_fini(&receipt);
	return code;
}

/* ----------------------------------------------------------------------- */

/* All of standard input, without the last line's newline. */
static int
read_stdin(const struct cmd *cmd, struct buf *out)
{
	while (out->len <= SPOOL_MSG_MAX) {
		char *p = buf_reserve(out, 65536);
		ssize_t n = p != NULL ? read(STDIN_FILENO, p, 65536) : -1;

		if (p == NULL)
			return cmd_fail(cmd, EXIT_FAILED, "out of memory");
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return cmd_fail(cmd, EXIT_FAILED,
			    "standard input: %s", strerror(errno));
		if (n == 0)
			break;
		out->len += (size_t)n;
		out->p[out->len] = '\0';
	}
	if (out->len > 0 && out->p[out->len - 1] == '\n')
		out->p[--out->len] = '\0';
	return EXIT_OK;
}

static int
check(const struct cmd *cmd, const struct letter *l)
{
	const struct buf *b = &l->content;

	if (!wire_channel_ok(l->target, strlen(l->target)) &&
	    !wire_agent_id_ok(l->target, strlen(l->target)))
		return cmd_usage(cmd, "'%s' is no target: '#general' or "
		    "@1f3a9c02 is (quote the '#' from the shell)", l->target);
	if (l->encrypt && l->target[0] != '@')
		return cmd_usage(cmd, "only what goes to an @agent can be "
		    "encrypted");
	if (b->len == 0)
		return cmd_usage(cmd, "the message is empty");
	if (b->len > SPOOL_MSG_MAX)
		return cmd_usage(cmd, "the message is longer than 1 MiB");
	if (!wire_utf8_ok(b->p, b->len))
		return cmd_usage(cmd, "the message is not UTF-8 text");
	return EXIT_OK;
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
	if (strcmp(cl.argv[1], "-") == 0)
		code = read_stdin(cmd, &l.content);
	else {
		buf_adds(&l.content, cl.argv[1]);
		code = EXIT_OK;
	}
	if (code == EXIT_OK && buf_err(&l.content) < 0)
		code = cmd_fail(cmd, EXIT_FAILED, "out of memory");
	if (code == EXIT_OK)
		code = check(cmd, &l);
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
