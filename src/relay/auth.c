/*
 * auth.c - the proof that a session holds the key it named.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rnd.h"

struct challenge {
	char	id[25];
	char	nonce[33];
	int64_t	expires_ms;	/* monotonic */
};

void
auth_challenge(struct peer *p)
{
	struct relay *r = p->relay;
	struct challenge *c = calloc(1, sizeof(*c));

	auth_fini(p);
	if (c == NULL)
		return;		/* it stays unverified */
	rnd_name(c->id, sizeof(c->id) - 1);
	rnd_name(c->nonce, sizeof(c->nonce) - 1);
	c->expires_ms = clock_mono_ms() + CHALLENGE_MS;
	p->challenge = c;
	wire_begin(&r->json, WIRE_CHALLENGE);
	wire_puts(&r->json, WF_CHALLENGE_ID, c->id);
	wire_puts(&r->json, WF_NONCE, c->nonce);
	wire_put_int(&r->json, WF_EXPIRES_AT, clock_wall_ms() + CHALLENGE_MS);
	wire_end(&r->json);
	peer_reply(p);
}

void
auth_fini(struct peer *p)
{
	free(p->challenge);
	p->challenge = NULL;
}

static int
verify(const struct peer *p, const struct buf *text, const struct wire_value *v)
{
	int rc = buf_err(text);

	return rc < 0 ? rc : ident_verify(p->key, text->p, text->len, v->s,
	    v->len);
}

/*
 * The plain text names no relay, so a hostile one could pass our challenge on
 * to its own clients. A signature over a name of ours rules that out; a key
 * that has given one once is held to it, and all keys are if we are told to.
 */
static int
verify_bound(struct peer *p, const struct challenge *c, int64_t ts,
    const struct wire_value *v, bool *bound)
{
	const char *const *name = p->relay->conf.public_names;
	const struct agent *agent = agent_by_key(p->relay, p->key);
	struct buf text = BUF_INIT;
	int rc = AC_E_VERIFICATION_FAILED;

	*bound = false;
	if (name == NULL || name[0] == NULL)
		return 0;	/* this relay doesn't know its names */
	if (v->kind != WIRE_STR) {
		if (!p->relay->conf.require_bound &&
		    (agent == NULL || !agent->bound))
			return 0;
		return refuse(p, AC_E_VERIFICATION_FAILED, "The proof has to "
		    "name this relay (bound_sig), as this key's or all do.");
	}
	for (; *name != NULL && rc != 0; name++) {
		buf_clear(&text);
		ident_auth2_text(&text, *name, c->nonce, c->id, ts);
		rc = verify(p, &text, v);
	}
	buf_fini(&text);
	*bound = rc == 0;
	return rc;
}

int
auth_check(struct peer *p, const struct wire_msg *m, bool *bound)
{
	struct challenge *c = p->challenge;
	struct buf text = BUF_INIT;
	int64_t ts = wire_int(m, WF_TIMESTAMP, 0);
	int rc;

	if (c == NULL)
		return refuse(p, AC_E_VERIFICATION_EXPIRED,
		    "No challenge is open: each is good for one answer.");
	p->challenge = NULL;	/* a nonce serves once, whatever comes of it */
	if (clock_mono_ms() > c->expires_ms)
		rc = AC_E_VERIFICATION_EXPIRED;
	else if (strcmp(wire_str(m, WF_CHALLENGE_ID), c->id) != 0)
		rc = refuse(p, AC_E_VERIFICATION_FAILED,
		    "This answers another challenge.");
	else {
		ident_auth_text(&text, c->nonce, c->id, ts);
		rc = verify(p, &text, &m->f[WF_SIGNATURE]);
		if (rc == 0)
			rc = verify_bound(p, c, ts, &m->f[WF_BOUND_SIG],
			    bound);
	}
	buf_fini(&text);
	free(c);
	return rc;
}
