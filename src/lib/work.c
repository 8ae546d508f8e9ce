/*
 * work.c - the steps of deals, for the public library.
 */
#include "config.h"

#include "lib/agentchat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "lib/deal.h"
#include "lib/identity.h"
#include "lib/object.h"
#include "lib/session_int.h"
#include "wire/limits.h"

_Static_assert(AGENTCHAT_PROPOSAL_MAX == WIRE_REF_MAX + 1,
    "whatever a relay calls a proposal");

static int
send_step(struct agentchat *ac, const struct deal_step *s, const char *id,
    struct buf *text, int timeout_ms)
{
	struct buf line = BUF_INIT;
	struct wire_msg m;
	const char *why;
	int rc;

	wire_msg_init(&m);
	deal_print(&line, s, id);
	rc = deal_check(&m, &line, &why);
	if (why != NULL) {
		rc = session_fail(ac, -EINVAL, why);
	} else if (rc == 0) {
		session_asks(ac);
		rc = deal_call(ac->call, identity_ident(ac->identity), s, &m,
		    &line, id, text, timeout_ms);
		if (rc == -EBADMSG)
			session_fail(ac, rc, "Not signed: what this relay "
			    "tells of the deal is not what the other agent "
			    "signed.");
		else if (rc < 0)
			session_fail(ac, rc, call_why(ac->call));
		session_asked(ac);
	}
	wire_msg_fini(&m);
	buf_fini(&line);
	return rc;
}

static int
step(struct agentchat *ac, const struct deal_step *s, const char *id,
    struct agentchat_object **answer, int timeout_ms)
{
	struct buf text = BUF_INIT;
	int rc = session_ready(ac);

	if (answer != NULL)
		*answer = NULL;
	if (rc < 0)
		return rc;
	if (timeout_ms == 0)
		return session_fail(ac, -EINVAL,
		    "A step of a deal can only be waited for.");
	if (ac->identity == NULL)
		return session_fail(ac, -ENOKEY,
		    "Work is signed: the session needs an identity.");
	rc = send_step(ac, s, id, &text, timeout_ms);
	if (rc == 0)
		rc = buf_err(&text);
	if (rc == 0 && answer != NULL)
		rc = object_new(answer, text.p, text.len);
	buf_fini(&text);
	return rc;
}

int
agentchat_propose(struct agentchat *ac, const struct agentchat_offer *o,
    char id[AGENTCHAT_PROPOSAL_MAX], struct agentchat_object **answer,
    int timeout_ms)
{
	struct deal_step s = DEAL_STEP(WIRE_PROPOSAL);
	struct agentchat_object *told = NULL;
	const char *given;
	int rc;

	s.to = o->to;
	s.task = o->task;
	s.currency = o->currency;
	s.payment_code = o->payment_code;
	s.terms = o->terms;
	if (o->amount != 0)
		s.amount = o->amount;
	if (o->expires_s != 0)
		s.expires = o->expires_s;
	if (answer != NULL)
		*answer = NULL;
	/* print() takes a negative number for one that isn't given. */
	if (o->amount < 0 || o->expires_s < 0 || s.to == NULL ||
	    s.task == NULL)
		return session_fail(ac, -EINVAL, "An offer has to and task, "
		    "and nothing in it is negative.");
	deal_make_id(&s, id);
	rc = step(ac, &s, id, &told, timeout_ms);
	/* An old relay has given it an id of its own. */
	given = rc == 0 ? agentchat_object_str(told, "id") : NULL;
	if (given != NULL)
		snprintf(id, AGENTCHAT_PROPOSAL_MAX, "%s", given);
	if (answer != NULL)
		*answer = told;
	else
		agentchat_object_free(told);
	return rc;
}

static int
later(struct agentchat *ac, struct deal_step *s, const char *id,
    struct agentchat_object **answer, int timeout_ms)
{
	char own[DEAL_ID_MAX];

	s->id = id;
	deal_make_id(s, own);
	return step(ac, s, own, answer, timeout_ms);
}

int
agentchat_accept(struct agentchat *ac, const char *id,
    const char *payment_code, struct agentchat_object **answer,
    int timeout_ms)
{
	struct deal_step s = DEAL_STEP(WIRE_ACCEPT);

	s.payment_code = payment_code;
	return later(ac, &s, id, answer, timeout_ms);
}

int
agentchat_reject(struct agentchat *ac, const char *id, const char *reason,
    struct agentchat_object **answer, int timeout_ms)
{
	struct deal_step s = DEAL_STEP(WIRE_REJECT);

	s.reason = reason;
	return later(ac, &s, id, answer, timeout_ms);
}

int
agentchat_complete(struct agentchat *ac, const char *id, const char *proof,
    struct agentchat_object **answer, int timeout_ms)
{
	struct deal_step s = DEAL_STEP(WIRE_COMPLETE);

	s.proof = proof;
	return later(ac, &s, id, answer, timeout_ms);
}

int
agentchat_dispute(struct agentchat *ac, const char *id, const char *reason,
    struct agentchat_object **answer, int timeout_ms)
{
	struct deal_step s = DEAL_STEP(WIRE_DISPUTE);

	s.reason = reason;
	return later(ac, &s, id, answer, timeout_ms);
}
