/*
 * on_verify.c - one agent asks another to prove its key: VERIFY_REQUEST,
 * VERIFY_RESPONSE. The relay passes the nonce on and checks the signature.
 */
#include "config.h"

#include "relay/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rnd.h"

#define NONCE_MIN	16
#define NONCE_MAX	128
#define REQUEST_MS	30000
#define REQUESTS_MAX	1000	/* open ones; a flood of them */

struct verify {
	char		 id[25];
	char		 nonce[NONCE_MAX + 1];
	char		 asker[IDENT_ID_MAX], target[IDENT_ID_MAX];
	int64_t		 expires_ms;	/* monotonic */
	TAILQ_ENTRY(verify) next;
};

static void
forget(struct relay *r, struct verify *v)
{
	TAILQ_REMOVE(&r->verifies, v, next);
	r->nverifies--;
	free(v);
}

void
verify_free_all(struct relay *r)
{
	struct verify *v;

	while ((v = TAILQ_FIRST(&r->verifies)) != NULL)
		forget(r, v);
}

static void
tell_failed(struct relay *r, const struct verify *v, const char *reason)
{
	struct peer *asker = map_get(&r->online, v->asker, strlen(v->asker));

	if (asker == NULL)
		return;
	wire_begin(&r->json, WIRE_VERIFY_FAILED);
	wire_puts(&r->json, WF_REQUEST_ID, v->id);
	wire_puts(&r->json, WF_TARGET, v->target);
	wire_puts(&r->json, WF_REASON, reason);
	wire_end(&r->json);
	peer_reply(asker);
}

void
verify_tick(struct relay *r, int64_t now_ms)
{
	struct verify *v;

	while ((v = TAILQ_FIRST(&r->verifies)) != NULL &&
	    v->expires_ms <= now_ms) {
		tell_failed(r, v, "No answer came in 30 s.");
		forget(r, v);
	}
}

int
on_verify_request(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *to = &m->f[WF_TARGET], *nonce = &m->f[WF_NONCE];
	struct relay *r = p->relay;
	struct peer *target = map_get(&r->online, to->s, to->len);
	struct verify *v;

	if (nonce->len < NONCE_MIN || nonce->len > NONCE_MAX)
		return refuse(p, AC_E_INVALID_MSG,
		    "nonce is %d to %d bytes long.", NONCE_MIN, NONCE_MAX);
	if (target == NULL || target->state != PEER_KNOWN)
		return AC_E_AGENT_NOT_FOUND;
	if (!target->has_key)
		return refuse(p, AC_E_VERIFICATION_FAILED,
		    "This agent has no key to prove.");
	if (r->nverifies >= REQUESTS_MAX)
		return AC_E_RATE_LIMITED;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return AC_E_RATE_LIMITED;
	turn_commit(r);
	rnd_name(v->id, sizeof(v->id) - 1);
	memcpy(v->nonce, nonce->s, nonce->len + 1);
	memcpy(v->asker, p->id, sizeof(v->asker));
	memcpy(v->target, target->id, sizeof(v->target));
	v->expires_ms = clock_mono_ms() + REQUEST_MS;
	TAILQ_INSERT_TAIL(&r->verifies, v, next);
	r->nverifies++;
	wire_begin(&r->json, WIRE_VERIFY_REQUEST);
	wire_puts(&r->json, WF_REQUEST_ID, v->id);
	wire_puts(&r->json, WF_FROM, p->id);
	wire_puts(&r->json, WF_NONCE, v->nonce);
	wire_end(&r->json);
	peer_reply(target);
	wire_begin(&r->json, WIRE_VERIFY_REQUEST);
	wire_puts(&r->json, WF_REQUEST_ID, v->id);
	wire_puts(&r->json, WF_TARGET, v->target);
	wire_puts(&r->json, WF_STATUS, "pending");
	wire_end(&r->json);
	peer_reply(p);
	return 0;
}

static struct verify *
find(struct relay *r, const char *id, const struct peer *target)
{
	struct verify *v;

	TAILQ_FOREACH(v, &r->verifies, next)
		if (strcmp(v->id, id) == 0 &&
		    strcmp(v->target, target->id) == 0)
			return v;
	return NULL;
}

int
on_verify_response(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *sig = &m->f[WF_SIG];
	struct relay *r = p->relay;
	struct verify *v = find(r, wire_str(m, WF_REQUEST_ID), p);
	struct peer *asker;
	char pem[IDENT_PEM_MAX];

	if (v == NULL)
		return refuse(p, AC_E_VERIFICATION_EXPIRED,
		    "No such request waits for your answer.");
	turn_commit(r);
	if (strcmp(wire_str(m, WF_NONCE), v->nonce) != 0) {
		tell_failed(r, v, "The answer is to another nonce.");
	} else if (!p->has_key || ident_verify(p->key, v->nonce,
	    strlen(v->nonce), sig->s, sig->len) != 0) {
		tell_failed(r, v, "The signature does not fit the key.");
	} else if ((asker = map_get(&r->online, v->asker,
	    strlen(v->asker))) != NULL) {
		ident_key_pem(p->key, pem);
		wire_begin(&r->json, WIRE_VERIFY_SUCCESS);
		wire_puts(&r->json, WF_REQUEST_ID, v->id);
		wire_puts(&r->json, WF_AGENT, p->id);
		wire_puts(&r->json, WF_PUBKEY, pem);
		/* So that the asker need not take our word for it. */
		wire_puts(&r->json, WF_NONCE, v->nonce);
		wire_put_str(&r->json, WF_SIG, sig->s, sig->len);
		wire_end(&r->json);
		peer_reply(asker);
	}
	forget(r, v);
	return 0;
}
