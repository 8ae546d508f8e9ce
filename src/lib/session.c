/*
 * session.c - one agent at one relay: who we are, the proof of it, and what
 * is said after that.
 *
 * Relays differ in when they ask for the proof. Ours says WELCOME with
 * verified:false, then CHALLENGE, then VERIFIED; one that insists, or whose
 * id for us is taken, says CHALLENGE first and WELCOME after it; Node relays
 * of version 0.7 never ask, and their WELCOME has no `verified`. The session
 * is ready when WELCOME came and nothing of that is pending; what comes in
 * between is kept until then, so that the owner hears it in order.
 */
#include "config.h"

#include "lib/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "ident/ident.h"
#include "lib/backoff.h"
#include "lib/conn.h"
#include "lib/loop.h"
#include "lib/proof.h"
#include "wire/limits.h"

#define WELCOME_WITHIN_MS 20000
#define STEADY_MS	5000	/* a session that lasted resets the backoff */
#define CHALLENGES_MAX	8	/* per connection: we are no oracle */
#define EARLY_MAX	(1 << 20) /* bytes kept until the session is ready */
#define NONSENSE_TOLD	5	/* remarks per connection */

enum stage { OFFLINE, IDENTIFIED, WELCOMED, READY };

struct client {
	struct loop		*loop;
	struct conn		*conn;
	const struct client_ops	*ops;
	void			*arg;
	char			 name[WIRE_NAME_MAX + 1];
	const struct ident	*ident;
	bool			 retry;
	enum stage		 stage;
	bool			 closing;
	bool			 final;	/* the relay said: don't come back */
	bool			 displaced;
	bool			 proved; /* a challenge was answered */
	int			 challenges, nonsense;
	unsigned		 tries;	/* since a session that lasted */
	int64_t			 ready_ms;
	struct client_info	 info;
	struct loop_timer	*timer;	/* for WELCOME, then for VERIFIED */
	struct wire_msg		 msg;
	struct buf		 early;	/* lines that came before ready */
	struct buf		 out;
};

/* ----------------------------------------------------------- speaking */

static int
say(struct client *c)
{
	int rc = buf_err(&c->out);

	return rc < 0 ? rc : conn_send(c->conn, c->out.p, c->out.len);
}

static void
remark(struct client *c, const char *what, const char *why)
{
	if (c->ops->odd != NULL)
		c->ops->odd(c->arg, what, why != NULL ? why : "");
}

static void
end(struct client *c, int rc, const char *why)
{
	conn_close(c->conn, true, rc, why);
}

static void
identify(struct client *c)
{
	static const char caps[] = "[\"ack\",\"stored\",\"enc\"]";
	char pem[IDENT_PEM_MAX];

	buf_clear(&c->out);
	wire_begin(&c->out, WIRE_IDENTIFY);
	wire_puts(&c->out, WF_NAME, c->name);
	if (c->ident != NULL) {
		ident_key_pem(ident_pub(c->ident), pem);
		wire_puts(&c->out, WF_PUBKEY, pem);
	}
	wire_put_raw(&c->out, WF_CAPS, caps, sizeof(caps) - 1);
	wire_end(&c->out);
	if (say(c) < 0)
		end(c, -ENOMEM, "Out of memory.");
}

/* A challenge's part of the text that we sign can't pose as another part. */
static bool
plain(const char *s)
{
	if (s == NULL || *s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (*s == '|' || (unsigned char)*s <= ' ' ||
		    (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static int
sign_text(struct client *c, const struct buf *text, char sig[IDENT_SIG_MAX])
{
	int rc = buf_err(text);

	return rc < 0 ? rc : ident_sign(c->ident, text->p, text->len, sig);
}

static void
answer_challenge(struct client *c)
{
	const char *nonce = wire_str(&c->msg, WF_NONCE);
	const char *id = wire_str(&c->msg, WF_CHALLENGE_ID);
	char sig[IDENT_SIG_MAX], bound[IDENT_SIG_MAX];
	int64_t now = clock_wall_ms();
	struct buf text = BUF_INIT;
	int rc;

	if (c->ident == NULL || !plain(nonce) || !plain(id) ||
	    ++c->challenges > CHALLENGES_MAX) {
		end(c, -EPROTO, "The relay sent a challenge out of order.");
		return;
	}
	ident_auth_text(&text, nonce, id, now);
	rc = sign_text(c, &text, sig);
	buf_clear(&text);
	ident_auth2_text(&text, conn_url(c->conn)->hostport, nonce, id, now);
	if (rc == 0)
		rc = sign_text(c, &text, bound);
	buf_fini(&text);
	if (rc == 0) {
		buf_clear(&c->out);
		wire_begin(&c->out, WIRE_VERIFY_IDENTITY);
		wire_puts(&c->out, WF_CHALLENGE_ID, id);
		wire_puts(&c->out, WF_SIGNATURE, sig);
		wire_put_int(&c->out, WF_TIMESTAMP, now);
		wire_puts(&c->out, WF_BOUND_SIG, bound);
		wire_end(&c->out);
		rc = say(c);
	}
	if (rc < 0)
		end(c, rc, ac_strerror(rc));
	c->proved = true;
}

/* Another agent wants to see that we have our key. */
static void
prove(struct client *c)
{
	int rc;

	buf_clear(&c->out);
	rc = proof_answer(&c->out, c->ident, &c->msg);
	if (rc == 0)
		rc = say(c);
	if (rc < 0 && rc != -ENOMSG && c->nonsense++ < NONSENSE_TOLD)
		remark(c, "proof_not_given", rc == AC_E_INVALID_MSG ?
		    "What we should sign is no nonce." : ac_strerror(rc));
}

/* ------------------------------------------------------------ listening */

static double
member_num(const struct wire_value *obj, const char *key, double fallback)
{
	struct wire_value v = wire_member(obj, key);

	return v.kind == WIRE_NUM && v.num > 0 ? v.num : fallback;
}

static void
copy(char *to, size_t size, const char *s)
{
	snprintf(to, size, "%s", s != NULL ? s : "");
}

static void
note_welcome(struct client *c)
{
	const struct wire_msg *m = &c->msg;
	struct client_info *i = &c->info;
	const void *at = NULL;
	struct wire_value item;
	const char *key;

	memset(i, 0, sizeof(*i));
	copy(i->agent_id, sizeof(i->agent_id), wire_str(m, WF_AGENT_ID));
	copy(i->server, sizeof(i->server), wire_str(m, WF_SERVER));
	copy(i->epoch, sizeof(i->epoch), wire_str(m, WF_EPOCH));
	i->content_max = WIRE_CONTENT_MAX;
	i->frame_max = WIRE_FRAME_MAX;
	if (wire_has(m, WF_RATE)) {
		i->rate = member_num(&m->f[WF_RATE],
		    "per_second", 0);
		i->burst = member_num(&m->f[WF_RATE], "burst", 1);
	}
	if (wire_has(m, WF_LIMITS)) {
		i->content_max = (int64_t)member_num(&m->f[WF_LIMITS],
		    "content", WIRE_CONTENT_MAX);
		i->frame_max = (int64_t)member_num(&m->f[WF_LIMITS],
		    "frame", WIRE_FRAME_MAX);
	}
	if (!wire_has(m, WF_CAPS))
		return;
	while (wire_each(&m->f[WF_CAPS], &at, &key, &item)) {
		if (item.kind != WIRE_STR)
			continue;
		if (strcmp(item.s, "ack") == 0)
			i->caps_ack = true;
		else if (strcmp(item.s, "stored") == 0)
			i->caps_stored = true;
		else if (strcmp(item.s, "enc") == 0)
			i->caps_enc = true;
	}
}

static void heard(void *arg, const char *text, size_t len);

static void
become_ready(struct client *c)
{
	struct buf early = c->early;
	char *p, *nl;

	loop_timer_off(c->timer);
	c->stage = READY;
	c->ready_ms = clock_mono_ms();
	buf_init(&c->early);
	c->ops->ready(c->arg, &c->info);
	for (p = early.p; p != NULL && p < early.p + early.len; p = nl + 1) {
		nl = memchr(p, '\n', early.len - (size_t)(p - early.p));
		heard(c, p, (size_t)(nl - p));
	}
	buf_fini(&early);
}

static void
on_welcome(struct client *c)
{
	const struct wire_value *verified = &c->msg.f[WF_VERIFIED];
	const char *id = wire_str(&c->msg, WF_AGENT_ID);

	/* Ids of old relays come with or without '@'. */
	if (id == NULL || !wire_agent_id_ok(id, strlen(id))) {
		end(c, -EPROTO, "The relay gave us an id that is none.");
		return;
	}
	note_welcome(c);
	c->stage = WELCOMED;
	c->info.verified = c->ident != NULL && (verified->kind == WIRE_BOOL ?
	    verified->b : c->proved);
	if (c->ident == NULL || c->info.verified ||
	    verified->kind != WIRE_BOOL)
		become_ready(c);
}

/*
 * ERROR before the session is ready: true if that ended it, or settled the
 * proof; all the rest is the owner's.
 */
static bool
on_early_error(struct client *c)
{
	const char *word = wire_str(&c->msg, WF_CODE);
	const char *text = wire_str(&c->msg, WF_MESSAGE);
	int code = word != NULL ? ac_errcode(word, strlen(word)) : 0;

	if (c->stage == WELCOMED && (code == AC_E_VERIFICATION_FAILED ||
	    code == AC_E_VERIFICATION_EXPIRED)) {
		remark(c, "proof_refused", text);
		become_ready(c);
		return true;
	}
	c->final = code == AC_E_BANNED || code == AC_E_NOT_ALLOWED ||
	    code == AC_E_INVALID_NAME;
	if (c->stage == IDENTIFIED || c->final) {
		end(c, code != 0 ? code : -EPROTO,
		    text != NULL ? text : "The relay refuses us.");
		return true;
	}
	return false;
}

static void
note_farewell(struct client *c)
{
	const struct wire_msg *m = &c->msg;
	const char *text = wire_str(m, WF_MESSAGE);
	const char *word = wire_str(m, WF_CODE);

	switch (m->type) {
	case WIRE_BANNED:
		c->final = true;
		break;
	case WIRE_KICKED:
		c->displaced = true;
		break;
	case WIRE_ERROR:
		if (text != NULL && strncmp(text, "Disconnected", 12) == 0)
			c->displaced = true;
		if (word != NULL && strcmp(word, "BANNED") == 0 &&
		    !wire_has(m, WF_RE))
			c->final = true;
		break;
	default:
		break;
	}
}

static void
keep_early(struct client *c, const char *text, size_t len)
{
	if (c->early.len + len > EARLY_MAX) {
		end(c, -EPROTO, "The relay talks before it lets us in.");
		return;
	}
	buf_add(&c->early, text, len);
	buf_addc(&c->early, '\n');
	if (buf_err(&c->early) < 0)
		end(c, -ENOMEM, "Out of memory.");
}

static void
before_ready(struct client *c, const char *text, size_t len)
{
	switch (c->msg.type) {
	case WIRE_WELCOME:
		if (c->stage == IDENTIFIED)
			on_welcome(c);
		break;
	case WIRE_CHALLENGE:
		answer_challenge(c);
		break;
	case WIRE_VERIFIED:
		if (c->stage == WELCOMED) {
			c->info.verified = true;
			become_ready(c);
		}
		break;
	case WIRE_ERROR:
		if (on_early_error(c))
			break;
		/* FALLTHROUGH */
	default:
		keep_early(c, text, len);
	}
}

static void
heard(void *arg, const char *text, size_t len)
{
	struct client *c = arg;
	int rc;

	if (c->closing)
		return;
	rc = wire_parse(&c->msg, text, len, WIRE_FROM_RELAY);
	if (rc < 0) {
		if (c->nonsense++ < NONSENSE_TOLD)
			remark(c, "relay_nonsense", c->msg.why);
		return;
	}
	note_farewell(c);
	if (c->stage != READY) {
		before_ready(c, text, len);
	} else if (c->msg.type == WIRE_CHALLENGE) {
		answer_challenge(c);
	} else if (c->msg.type != WIRE_WELCOME) {
		if (c->msg.type == WIRE_VERIFIED)
			c->info.verified = true;
		else if (c->msg.type == WIRE_VERIFY_REQUEST)
			prove(c);
		c->ops->message(c->arg, &c->msg, text, len);
	}
	wire_msg_reset(&c->msg);
}

/* ------------------------------------------------------ coming and going */

static void
came_up(void *arg)
{
	struct client *c = arg;

	c->stage = IDENTIFIED;
	c->final = c->displaced = c->proved = false;
	c->challenges = c->nonsense = 0;
	buf_clear(&c->early);
	loop_timer_set(c->timer, WELCOME_WITHIN_MS);
	identify(c);
}

static void
too_slow(void *arg)
{
	struct client *c = arg;

	if (c->stage == WELCOMED)
		become_ready(c);	/* unproven */
	else
		end(c, -ETIMEDOUT, "The relay does not say WELCOME.");
}

/* When is the next try? -1: never. */
static int64_t
next_try(struct client *c, int rc)
{
	uint32_t random;

	if (c->closing || c->final || !c->retry)
		return -1;
	if (c->stage == READY && clock_mono_ms() - c->ready_ms > STEADY_MS)
		c->tries = 0;
	/* Two that displace each other must not take turns all day. */
	if (c->displaced || rc == AC_E_AUTH_REQUIRED)
		c->tries = 6;
	rnd_bytes(&random, sizeof(random));
	return backoff_ms(c->tries++, random);
}

static void
went_down(void *arg, int rc, const char *why)
{
	struct client *c = arg;
	int64_t retry_ms = next_try(c, rc);

	if (c->displaced) {
		rc = -EBUSY;
		why = "Another session with this key took our place, or the "
		    "relay's operator put us out.";
	} else if (c->final && rc == -ECONNRESET) {
		rc = AC_E_BANNED;
		why = ac_strerror(rc);
	}
	loop_timer_off(c->timer);
	c->stage = OFFLINE;
	memset(&c->info, 0, sizeof(c->info));
	buf_clear(&c->early);
	if (retry_ms >= 0)
		conn_connect(c->conn, retry_ms);
	c->ops->down(c->arg, rc, why, retry_ms);
}

static const struct conn_ops conn_ops = {
	.up = came_up,
	.line = heard,
	.down = went_down,
};

static void
choose_name(struct client *c, const struct client_conf *conf)
{
	char random[9];

	if (conf->name != NULL) {
		copy(c->name, sizeof(c->name), conf->name);
	} else if (conf->ident != NULL) {
		copy(c->name, sizeof(c->name), ident_name(conf->ident));
	} else {
		rnd_name(random, 8);
		snprintf(c->name, sizeof(c->name), "agent-%s", random);
	}
}

int
client_new(struct client **out, struct loop *l, const struct client_conf *conf,
    const struct client_ops *ops, void *arg)
{
	struct client *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return -ENOMEM;
	wire_msg_init(&c->msg);
	c->loop = l;
	c->ops = ops;
	c->arg = arg;
	c->ident = conf->ident;
	c->retry = conf->retry;
	choose_name(c, conf);
	rc = loop_timer_new(&c->timer, l, too_slow, c);
	if (rc == 0)
		rc = conn_new(&c->conn, l, conf->url, &conn_ops, c);
	if (rc < 0) {
		client_free(c);
		return rc;
	}
	conn_connect(c->conn, 0);
	*out = c;
	return 0;
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	conn_free(c->conn);
	loop_timer_free(c->timer);
	wire_msg_fini(&c->msg);
	buf_fini(&c->early);
	buf_fini(&c->out);
	free(c);
}

void
client_close(struct client *c)
{
	c->closing = true;
	conn_close(c->conn, true, 0, "Closed.");
}

bool
client_is_ready(const struct client *c)
{
	return c->stage == READY && !c->closing;
}

const struct client_info *
client_info(const struct client *c)
{
	return &c->info;
}

int
client_send(struct client *c, const char *json, size_t len)
{
	if (!client_is_ready(c))
		return -ENOTCONN;
	return conn_send(c->conn, json, len);
}

size_t
client_queued(const struct client *c)
{
	return conn_queued(c->conn);
}

void
client_reset(struct client *c, int rc, const char *why)
{
	conn_close(c->conn, true, rc, why);
}

void
client_pause(struct client *c, bool pause)
{
	conn_pause(c->conn, pause);
}

int
client_make_msg(struct buf *out, const struct ident *ident, const char *to,
    const char *content, size_t len, const char *id, const char *in_reply_to)
{
	return client_make_msg_at(out, ident, to, content, len, id,
	    in_reply_to, clock_wall_ms());
}

int
client_make_msg_at(struct buf *out, const struct ident *ident, const char *to,
    const char *content, size_t len, const char *id, const char *in_reply_to,
    int64_t ts)
{
	struct buf text = BUF_INIT;
	char sig[IDENT_SIG_MAX];
	int rc = 0;

	wire_begin(out, WIRE_MSG);
	wire_puts(out, WF_TO, to);
	wire_put_str(out, WF_CONTENT, content, len);
	if (id != NULL)
		wire_puts(out, WF_ID, id);
	if (in_reply_to != NULL)
		wire_puts(out, WF_IN_REPLY_TO, in_reply_to);
	wire_put_int(out, WF_TS, ts);
	if (ident != NULL) {
		wire_sign_msg(&text, to, content, len, ts);
		rc = buf_err(&text);
		if (rc == 0)
			rc = ident_sign(ident, text.p, text.len, sig);
		if (rc == 0)
			wire_puts(out, WF_SIG, sig);
		buf_fini(&text);
	}
	wire_end(out);
	return rc < 0 ? rc : buf_err(out);
}
