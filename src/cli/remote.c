/*
 * remote.c - a command's session with a relay.
 */
#include "config.h"

#include "cli/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/pass.h"
#include "daemon/daemon.h"
#include "ident/ident.h"
#include "spool/spool.h"

struct holder {
	char	 id[IDENT_ID_MAX], long_id[IDENT_ID_MAX];
	char	 name[DAEMON_NAME_MAX];	/* of the daemon that has the key */
};

static int
has_id(void *arg, const struct daemon_status *st)
{
	struct holder *h = arg;
	struct wire_msg m;
	const char *id;

	if (st->pid == 0 || st->json.len == 0)
		return 0;
	wire_msg_init(&m);
	if (wire_parse_object(&m, st->json.p, st->json.len) == 0 &&
	    (id = wire_str(&m, WF_AGENT_ID)) != NULL &&
	    (strcmp(id, h->id) == 0 || strcmp(id, h->long_id) == 0))
		memcpy(h->name, st->name, sizeof(h->name));
	wire_msg_fini(&m);
	return h->name[0] != '\0';
}

/* Is the key a running daemon's? Then leave it, and say so if it matters. */
static void
yield_to_daemon(struct remote *r, const struct cmd_line *cl, bool speaks)
{
	struct holder h = { .name = "" };

	ident_key_id(ident_pub(r->ident), 8, h.id);
	ident_key_id(ident_pub(r->ident), 16, h.long_id);
	if (daemon_list(cl->dir, has_id, &h) != 1)
		return;
	ident_free(r->ident);
	r->ident = NULL;
	if (speaks)
		cmd_say(cl->cmd, "daemon '%s' is using this identity: "
		    "connecting without it (leave out the relay to speak "
		    "through the daemon)", h.name);
}

static int
unlock(struct remote *r, const struct cmd_line *cl, int dir, const char *path)
{
	struct pass pass = { .len = 0 };
	int rc = pass_read(&pass, cl->cmd, cl->pass_fd, "Passphrase: ",
	    false);

	ident_free(r->ident);
	r->ident = NULL;
	if (rc == EXIT_OK)
		rc = ident_load_pass(&r->ident, dir, path, 0, pass.text,
		    pass.len);
	pass_wipe(&pass);
	return rc;
}

/* 0; a negative error; or an exit code, having said why. */
static int
load_key(struct remote *r, const struct cmd_line *cl, int dir,
    const char *path, bool speaks)
{
	int rc = ident_load(&r->ident, dir, path);
	bool locked = rc == -ENOKEY;

	/* Don't ask for the passphrase of a key that we then don't use. */
	if (locked)
		rc = ident_load_pass(&r->ident, dir, path, IDENT_PUBLIC, NULL,
		    0);
	if (rc == 0 && cl->identity == NULL)
		yield_to_daemon(r, cl, speaks);
	return rc == 0 && locked && r->ident != NULL ?
	    unlock(r, cl, dir, path) : rc;
}

static int
load_identity(struct remote *r, const struct cmd_line *cl, bool speaks)
{
	const char *path = cl->identity != NULL ? cl->identity :
	    "identity.json";
	int dir = AT_FDCWD, rc;

	if (cl->ephemeral && cl->identity != NULL)
		return cmd_usage(cl->cmd,
		    "--identity and --ephemeral contradict each other");
	if (cl->ephemeral)
		return EXIT_OK;
	rc = ident_init();
	if (rc == 0 && cl->identity == NULL) {
		rc = spool_root(cl->dir, false, &dir);
		if (rc == -ENOENT)
			return EXIT_OK;
	}
	if (rc == 0)
		rc = load_key(r, cl, dir, path, speaks);
	if (dir != AT_FDCWD)
		close(dir);
	if (rc > 0)
		return rc;	/* an exit code, and said */
	if (rc == -ENOENT && cl->identity == NULL)
		return EXIT_OK;
	return rc < 0 ? pass_fail(cl->cmd, path, rc) : EXIT_OK;
}

int
remote_init(struct remote *r, const struct cmd_line *cl, bool speaks)
{
	int64_t timeout = cl->timeout_ms >= 0 ? cl->timeout_ms :
	    REMOTE_TIMEOUT_MS;
	int code;

	*r = (struct remote){ .cmd = cl->cmd };
	r->deadline_ms = clock_mono_ms() + timeout;
	if (client_url_ok(cl->server) < 0)
		return cmd_usage(cl->cmd, "'%s' is no relay: "
		    "ws://HOST[:PORT] or wss://... is", cl->server);
	if (cl->name != NULL &&
	    !wire_agent_name_ok(cl->name, strlen(cl->name)))
		return cmd_usage(cl->cmd, "'%s' is no agent name: 1 to 32 "
		    "letters, digits, '_' and '-'", cl->name);
	if (cl->ca != NULL && access(cl->ca, R_OK) == -1)
		return cmd_fail(cl->cmd, cmd_code(-errno), "%s: %s", cl->ca,
		    strerror(errno));
	code = load_identity(r, cl, speaks);
	r->conf = (struct client_conf){ .url = cl->server, .name = cl->name,
	    .ident = r->ident };
	return code;
}

static int64_t
time_left(const struct remote *r)
{
	int64_t left = r->deadline_ms - clock_mono_ms();

	return left > 0 ? left : 0;
}

int
remote_open(struct remote *r, const struct cmd_line *cl, bool speaks)
{
	int rc, code = remote_init(r, cl, speaks);

	if (code != EXIT_OK)
		return code;
	rc = call_open(&r->call, &r->conf, cl->ca, time_left(r));
	if (rc == 0)
		return EXIT_OK;
	return cmd_fail(cl->cmd, ac_errword(rc) != NULL ? EXIT_REFUSED :
	    EXIT_TRY_AGAIN, "%s: %s", cl->server, call_why(r->call));
}

void
remote_close(struct remote *r)
{
	call_close(r->call);
	ident_free(r->ident);
	r->call = NULL;
	r->ident = NULL;
}

int
remote_ask(struct remote *r, const struct buf *request, call_accept_fn *accept,
    void *arg)
{
	int rc = buf_err(request);

	if (rc < 0)
		return cmd_fail(r->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	rc = call_do(r->call, request->len > 0 ? request->p : NULL,
	    request->len, accept, arg, time_left(r));
	return rc < 0 ? remote_fail(r, rc) : EXIT_OK;
}

int
remote_fail(const struct remote *r, int rc)
{
	const char *word = ac_errword(rc);

	if (word != NULL)
		return cmd_fail(r->cmd, EXIT_REFUSED, "%s: %s", word,
		    ac_errtext(word, call_why(r->call)));
	/* A word that we don't know yet is a refusal all the same. */
	if (rc == -EPROTO)
		return cmd_fail(r->cmd, EXIT_REFUSED, "%s", call_why(r->call));
	return cmd_fail(r->cmd, cmd_code(rc), "%s", call_why(r->call));
}

int
remote_tell(struct remote *r, const struct buf *request)
{
	int rc = buf_err(request);

	if (rc == 0)
		rc = call_send(r->call, request->p, request->len);
	if (rc == 0)
		return EXIT_OK;
	return cmd_fail(r->cmd, cmd_code(rc), "%s", ac_strerror(rc));
}

int
remote_accept(void *arg, const struct wire_msg *m, const char *text,
    size_t len)
{
	const struct remote_want *want = arg;
	const char *channel = wire_str(m, WF_CHANNEL);

	(void)text;
	(void)len;
	return m->type == want->type && (want->channel == NULL ||
	    (channel != NULL && strcmp(channel, want->channel) == 0));
}

bool
remote_make_ack(struct buf *b, const struct wire_msg *m,
    const struct client_info *info)
{
	int64_t seq = wire_int(m, WF_MAILBOX_SEQ, -1);

	if (seq < 0 || !info->caps_ack)
		return false;
	wire_begin(b, WIRE_ACK);
	wire_put_int(b, WF_MAILBOX_SEQ, seq);
	wire_end(b);
	return true;
}

int
remote_join(struct remote *r, const char *channel)
{
	struct remote_want want = { WIRE_JOINED, channel };
	struct buf b = BUF_INIT;
	int code;

	wire_begin(&b, WIRE_JOIN);
	wire_puts(&b, WF_CHANNEL, channel);
	wire_end(&b);
	code = remote_ask(r, &b, remote_accept, &want);
	buf_fini(&b);
	return code;
}
