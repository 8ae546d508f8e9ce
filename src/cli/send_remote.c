/*
 * send_remote.c - a message in a session of its own.
 */
#include "config.h"

#include "cli/letter.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "cli/agent_key.h"
#include "cli/out.h"
#include "cli/remote.h"
#include "lib/echo.h"

#define ID_LEN	16

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

int
send_remote(const struct cmd_line *cl, struct letter *l)
{
	struct echo e = { .to = l->target, .text = BUF_INIT };
	char id[ID_LEN + 1];
	struct remote r;
	int code = letter_read(cl->cmd, l, cl->argv[1]);

	if (code != EXIT_OK)
		return code;
	code = remote_open(&r, cl, true);
	rnd_name(id, ID_LEN);
	e.id = id;
	e.content = l->content.p;
	e.len = l->content.len;
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
