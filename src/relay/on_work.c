/*
 * on_work.c - PROPOSAL, ACCEPT, REJECT, COMPLETE, DISPUTE.
 *
 * A step is made when it has been written: its WORK record and the message
 * that tells of it are one batch, and only then does the state change. What a
 * step may be is ledger/proposal.c's; what its signatures cover, step.c's.
 *
 * A signature is its own proof, so a session needn't have proved its key. But
 * then anybody can say it again: a PROPOSAL's is taken once, sig or, where it
 * has one, sig2, which no two have alike. The other steps can be made only
 * once anyway.
 *
 * Old clients match on the message of INVALID_PROPOSAL: the word that says
 * what is wrong comes first in it.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/rnd.h"

/* A step being made, or told again. */
struct making {
	struct peer	*peer;
	const struct wire_msg *m;	/* what asks for it */
	enum wire_type	 type;
	struct work	*work;
	enum proposal_party by;
	enum proposal_status status;	/* what it makes of the proposal */
	struct rec_work	 rec;
	struct buf	 text;		/* its text */
	struct buf	 object;
	char		 pubkey[IDENT_B64_MAX];
	bool		 replay;
};

static int
invalid(struct peer *p, int code, const char *text)
{
	return refuse(p, AC_E_INVALID_PROPOSAL, "%s: %s", ac_errword(code),
	    text != NULL ? text : ac_strerror(code));
}

static int
no_room(struct peer *p)
{
	return refuse(p, AC_E_RATE_LIMITED,
	    "The relay is out of memory: send it again later.");
}

/* What tells a resend: nobody else has this signature, and this id. */
static uint64_t
again_of(const struct wire_msg *m)
{
	const struct wire_value *sig = &m->f[WF_SIG], *id = &m->f[WF_ID];
	uint64_t h = dedupe_hash(0, sig->s, sig->len);

	return id->kind == WIRE_STR ? dedupe_hash(h, id->s, id->len) : 0;
}

static const char *
other_party(const struct making *x)
{
	return x->by == PROPOSAL_PROPOSER ? x->work->to : x->work->from;
}

static const unsigned char *
other_key(const struct making *x)
{
	return x->work->key[x->by == PROPOSAL_PROPOSER ? 1 : 0];
}

/* ---------------------------------------------------------------- telling */

static void
put_field(struct buf *b, const struct wire_msg *m, enum wire_field f,
    enum wire_field as)
{
	if (wire_has(m, f))
		wire_put_raw(b, as, m->f[f].raw, m->f[f].raw_len);
}

/* What a step says, from its object. */
static void
put_said(struct buf *b, const struct wire_msg *m)
{
	static const enum wire_field fields[] = { WF_TASK, WF_AMOUNT,
	    WF_CURRENCY, WF_PAYMENT_CODE, WF_TERMS, WF_ELO_STAKE, WF_REASON,
	    WF_PROOF, WF_PUBKEY, WF_PREV, WF_SIG, WF_SIG2 };

	for (size_t i = 0; i < AC_COUNTOF(fields); i++)
		put_field(b, m, fields[i], fields[i]);
	put_field(b, m, WF_EXPIRES, WF_EXPIRES_IN);
	put_field(b, m, WF_TS, WF_SENT_TS);
}

/* The steps before this one, whole. */
static int
put_past(struct relay *r, struct buf *b, const struct making *x)
{
	static const enum wire_field as[] = { WF_PROPOSAL, WF_ACCEPT };
	struct buf object = BUF_INIT;
	int place = proposal_place(x->type), rc = 0;

	for (int i = 0; rc == 0 && i < place; i++) {
		buf_clear(&object);
		rc = work_read(r, x->work, i, &object);
		if (rc == 0)
			wire_put_raw(b, as[i], object.p, object.len);
	}
	buf_fini(&object);
	return rc;
}

static int
print(struct relay *r, struct buf *b, const struct making *x)
{
	enum wire_type type = x->type;
	const char *from = x->by == PROPOSAL_PROPOSER ? x->work->from :
	    x->work->to;
	struct step s;
	int rc;

	step_init(&s);
	rc = step_read(&s, x->object.p, x->object.len);
	wire_begin(b, type);
	if (type == WIRE_PROPOSAL)
		wire_puts(b, WF_ID, x->work->id);
	else if (wire_has(x->m, WF_ID))
		put_field(b, x->m, WF_ID, WF_ID);
	wire_puts(b, WF_PROPOSAL_ID, x->work->id);
	wire_puts(b, WF_FROM, from);
	wire_puts(b, WF_TO, other_party(x));
	wire_puts(b, WF_FROM_NAME, x->peer->name);
	wire_puts(b, WF_STATUS, proposal_status_name(x->status));
	wire_put_int(b, type == WIRE_PROPOSAL ? WF_CREATED_AT : WF_UPDATED_AT,
	    x->rec.ts);
	if (type == WIRE_PROPOSAL && x->work->expires_ms != 0)
		wire_put_int(b, WF_EXPIRES, x->work->expires_ms);
	if (type == WIRE_COMPLETE)
		wire_puts(b, WF_COMPLETED_BY, from);
	if (type == WIRE_DISPUTE)
		wire_puts(b, WF_DISPUTED_BY, from);
	if (rc == 0)
		put_said(b, &s.m);
	step_fini(&s);
	wire_put_int(b, WF_TS, x->rec.ts);
	wire_put_bool(b, WF_VERIFIED, (x->rec.flags & REC_VERIFIED) != 0);
	turn_put_msg_id(b, r, x->rec.number);
	if (x->replay)
		wire_put_bool(b, WF_REPLAY, true);
	if (rc == 0)
		rc = put_past(r, b, x);
	wire_end(b);
	return rc < 0 ? rc : buf_err(b);
}

/* A step that was made, told again: to p and to nobody else. */
static int
tell_again(struct peer *p, const struct wire_msg *m, struct work *w, int place)
{
	struct making x = { .peer = p, .m = m, .work = w, .replay = true };
	struct relay *r = p->relay;
	struct buf body = BUF_INIT;
	struct step s;
	int rc;

	turn_commit(r);
	step_init(&s);
	rc = store_read(r->store, w->pos[place], &body);
	if (rc == 0)
		rc = rec_work(&x.rec, body.p, body.len);
	if (rc == 0)
		rc = step_read(&s, x.rec.json, x.rec.json_len);
	if (rc == 0) {
		x.type = s.m.type;
		x.by = work_party(w, s.key);
		/* Where it led to then. */
		x.status = place == 0 ? PROPOSAL_PENDING :
		    x.type == WIRE_ACCEPT ? PROPOSAL_ACCEPTED : w->status;
		buf_add(&x.object, x.rec.json, x.rec.json_len);
		buf_clear(&r->json);
		rc = print(r, &r->json, &x);
	}
	step_fini(&s);
	buf_fini(&x.object);
	buf_fini(&body);
	if (rc < 0) {
		buf_clear(&r->json);
		return no_room(p);
	}
	peer_reply(p);
	return 0;
}

static int
confirm_again(struct peer *p, const struct wire_msg *m, struct work *w)
{
	return tell_again(p, m, w, proposal_place(m->type));
}

/* ----------------------------------------------------------------- making */

static int
make_text(struct making *x)
{
	const struct wire_msg *m = x->m;
	struct work *w = x->work;
	struct step_head h = {
		.id = w->id, .pubkey = x->pubkey,
		.from = x->by == PROPOSAL_PROPOSER ? w->from : w->to,
		.prev = m->type == WIRE_PROPOSAL ? NULL : w->prev,
		.ts = wire_int(m, WF_TS, -1),
	};
	const struct wire_value *sig2 = &m->f[WF_SIG2];
	int rc;

	if (h.ts < 0 && sig2->kind == WIRE_STR)
		return invalid(x->peer, AC_E_VERIFICATION_FAILED,
		    "sig2 needs ts: it is signed too.");
	if (h.ts < 0)
		h.ts = x->rec.ts;
	ident_key_b64(x->peer->key, x->pubkey);
	rc = step_text(&x->text, m, &h);
	if (rc == 0 && sig2->kind == WIRE_STR && ident_verify(x->peer->key,
	    x->text.p, x->text.len, sig2->s, sig2->len) < 0)
		return invalid(x->peer, AC_E_VERIFICATION_FAILED,
		    "sig2 does not fit: see agentchat-protocol(7) for what it "
		    "covers.");
	if (rc < 0)
		return no_room(x->peer);
	step_object(&x->object, &x->text, m);
	return buf_err(&x->object) < 0 ? no_room(x->peer) : 0;
}

/*
 * Where the other party hears of it: its mailbox, its session. A session that
 * only says that it has the key gets nothing that is the key's.
 */
static void
find_other(const struct making *x, struct agent **agent, struct peer **target)
{
	struct relay *r = x->peer->relay;
	const char *id = other_party(x);
	struct agent *a = agent_by_id(r, id, strlen(id));
	struct peer *t = map_get(&r->online, id, strlen(id));

	if (a != NULL && memcmp(a->key, other_key(x), IDENT_KEY_LEN) != 0)
		a = NULL;
	if (t != NULL && (t->state != PEER_KNOWN || !t->has_key ||
	    memcmp(t->key, other_key(x), IDENT_KEY_LEN) != 0 ||
	    (a != NULL && t->agent != a)))
		t = NULL;
	*agent = a;
	*target = t;
}

/* The relay's clock; in the other's mailbox time doesn't go back. */
static void
stamp(struct making *x)
{
	struct peer *target;
	struct agent *agent;

	find_other(x, &agent, &target);
	x->rec.ts = clock_wall_ms();
	if (agent != NULL && agent->mailbox_ts > x->rec.ts)
		x->rec.ts = agent->mailbox_ts;
}

/* Note the record and the message; the batch is only ours. */
static int
note(struct making *x, uint64_t *pos)
{
	struct peer *p = x->peer, *target;
	const struct wire_value *id = &x->m->f[WF_ID];
	struct relay *r = p->relay;
	struct rec_head h = { .from = p->id, .from_len = p->id_len,
	    .to = other_party(x), .id = "", .flags = x->rec.flags,
	    .ts = x->rec.ts, .number = x->rec.number };
	struct agent *agent;
	int rc;

	rc = reputation_rate(r, x->work, x->m->type, x->by, x->rec.ts);
	buf_clear(&r->rec);
	rec_put_work(&r->rec, &x->rec);
	buf_add(&r->rec, x->object.p, x->object.len);
	if (rc == 0)
		rc = turn_record(r, STORE_WORK, pos);
	if (rc < 0)
		return rc;
	find_other(x, &agent, &target);
	if (agent != NULL)
		h.seq = agent->mailbox_seq + 1;
	h.to_len = (uint8_t)strlen(h.to);
	if (id->kind == WIRE_STR) {
		h.id = id->s;
		h.id_len = (uint8_t)id->len;
	}
	h.hash = dedupe_hash(0, r->json.p, r->json.len);
	h.json = r->json.p;
	h.json_len = r->json.len;
	/* Nobody to tell but the maker: it is away, and has no mailbox. */
	if (agent == NULL && target == NULL)
		target = p;
	rc = turn_dm(r, agent, target, p, &h);
	if (rc == 0 && agent != NULL)
		agent->mailbox_ts = h.ts;
	return rc;
}

/*
 * Write the step, and tell of it. 0, *made false: it wasn't written, and the
 * maker has been told so.
 */
static int
make(struct making *x, bool *made)
{
	struct relay *r = x->peer->relay;
	uint64_t pos = 0;
	char hash[65];
	int rc;

	*made = false;
	x->rec.step = work_step_number(x->m->type);
	x->rec.id = x->work->id;
	x->rec.id_len = (uint8_t)strlen(x->work->id);
	x->rec.flags = x->peer->verified ? REC_VERIFIED : 0;
	x->rec.number = r->number + 1;
	x->rec.again = again_of(x->m);
	buf_clear(&r->json);
	rc = print(r, &r->json, x);
	if (rc < 0) {
		buf_clear(&r->json);
		return no_room(x->peer);
	}
	rc = note(x, &pos);
	buf_clear(&r->json);
	if (rc < 0) {
		turn_break(r);
		reputation_undo(r);
		turn_commit(r);
		return no_room(x->peer);
	}
	if (turn_commit(r) < 0) {
		reputation_undo(r);
		return 0;
	}
	ident_sha256(x->text.p, x->text.len, hash);
	work_made(r, x->work, x->m->type, x->status, &x->rec, hash, pos);
	*made = true;
	return 0;
}

/* --------------------------------------------------------------- PROPOSAL */

/* Does it come from who has a key, and is it signed with it? */
static int
check_signed(struct peer *p, const struct wire_msg *m)
{
	if (!p->has_key)
		return AC_E_SIGNATURE_REQUIRED;
	if (!wire_has(m, WF_SIG) || m->f[WF_SIG].len >= IDENT_SIG_MAX)
		return refuse(p, AC_E_SIGNATURE_REQUIRED,
		    "Sign it: agentchat-protocol(7) says what \"sig\" covers.");
	return 0;
}

static int
check_sig(struct peer *p, const struct wire_msg *m, const char *id)
{
	int rc = step_check_sig(m, id, p->key);

	if (rc == AC_E_VERIFICATION_FAILED)
		return invalid(p, rc, NULL);
	return rc < 0 ? no_room(p) : 0;
}

/* The key that the proposal is made to. */
static int
find_recipient(struct peer *p, const struct wire_value *to,
    unsigned char key[IDENT_KEY_LEN])
{
	struct relay *r = p->relay;
	const struct agent *a = agent_by_id(r, to->s, to->len);
	const struct peer *t = map_get(&r->online, to->s, to->len);

	if (a != NULL) {
		memcpy(key, a->key, IDENT_KEY_LEN);
	} else if (t == NULL || t->state != PEER_KNOWN) {
		return AC_E_AGENT_NOT_FOUND;
	} else if (!t->has_key) {
		return invalid(p, AC_E_SIGNATURE_REQUIRED, "This agent has no "
		    "key: it could not accept.");
	} else {
		memcpy(key, t->key, IDENT_KEY_LEN);
	}
	if (memcmp(key, p->key, IDENT_KEY_LEN) == 0)
		return invalid(p, AC_E_INVALID_PROPOSAL, "This is yourself: "
		    "propose to somebody else.");
	return 0;
}

/* Its id: the proposer's choice, or ours. */
static int
choose_id(struct peer *p, const struct wire_msg *m, struct work *w)
{
	const struct wire_value *id = &m->f[WF_ID];
	uint32_t rnd;

	if (id->kind == WIRE_STR && proposal_id_ok(id->s, id->len)) {
		if (work_by_id(p->relay, id->s, id->len) != NULL)
			return invalid(p, AC_E_INVALID_PROPOSAL,
			    "This id is taken: choose another.");
		memcpy(w->id, id->s, id->len + 1);
		return 0;
	}
	if (wire_has(m, WF_SIG2))
		return invalid(p, AC_E_INVALID_PROPOSAL, "A chain needs an id "
		    "of the form prop_<base36 ms>_<8 hex digits>.");
	do {
		rnd_bytes(&rnd, sizeof(rnd));
		proposal_id_make(w->id, clock_wall_ms(), rnd);
	} while (work_by_id(p->relay, w->id, strlen(w->id)) != NULL);
	return 0;
}

/* Its sig came before: again, or was it copied? 0: it is a new one. */
static int
check_fresh(struct peer *p, const struct wire_msg *m, struct work **again)
{
	const struct wire_value *sig = &m->f[WF_SIG];
	struct work *w = work_by_sig(p->relay, sig->s, sig->len);
	bool used = w != NULL;

	for (; w != NULL; w = w->same)
		if (w->again[0] != 0 && w->again[0] == again_of(m)) {
			*again = w;
			return 0;
		}
	if (!used || wire_has(m, WF_SIG2))
		return 0;
	return invalid(p, AC_E_INVALID_PROPOSAL, "This signature was used for "
	    "another proposal: change the task or the time.");
}

static int
check_room(struct peer *p, const char *to, size_t len, const struct buf *object)
{
	const struct agent *a = agent_by_id(p->relay, to, len);

	/* What becomes of it later is told in any case. */
	return a == NULL || mailbox_has_room(a, p->id, object->len) ? 0 :
	    AC_E_MAILBOX_FULL;
}

static int
propose(struct making *x, struct work *new)
{
	const struct wire_value *to = &x->m->f[WF_TO];
	struct peer *p = x->peer;
	bool made;
	int rc;

	rc = make_text(x);
	if (rc == 0)
		rc = check_room(p, to->s, to->len, &x->object);
	if (rc < 0)
		return rc;
	rc = work_add(p->relay, new, &x->work);
	if (rc == -EDQUOT)
		return refuse(p, AC_E_NOT_ALLOWED, "The relay has as many "
		    "proposals as it can keep: try again later.");
	if (rc < 0)
		return no_room(p);
	rc = make(x, &made);
	if (!made)
		work_forget(p->relay, x->work);
	return rc;
}

int
on_proposal(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *to = &m->f[WF_TO], *sig = &m->f[WF_SIG];
	struct making x = { .peer = p, .m = m, .by = PROPOSAL_PROPOSER,
	    .type = WIRE_PROPOSAL, .status = PROPOSAL_PENDING };
	struct work new = { .status = PROPOSAL_NONE }, *again = NULL;
	const char *why = proposal_check(m);
	int rc = check_signed(p, m);

	if (rc == 0 && (why != NULL || to->len >= sizeof(new.to)))
		return refuse(p, AC_E_INVALID_MSG, "%s", why != NULL ? why :
		    "There is no such agent.");
	if (rc == 0)
		rc = check_sig(p, m, "");
	if (rc < 0)
		return rc;
	rc = check_fresh(p, m, &again);
	if (again != NULL)
		return confirm_again(p, m, again);
	if (rc == 0)
		rc = find_recipient(p, to, new.key[1]);
	if (rc == 0)
		rc = choose_id(p, m, &new);
	if (rc < 0)
		return rc;
	turn_commit(p->relay);
	memcpy(new.key[0], p->key, IDENT_KEY_LEN);
	memcpy(new.from, p->id, sizeof(new.from));
	memcpy(new.to, to->s, to->len);
	memcpy(new.sig, sig->s, sig->len);
	x.work = &new;
	x.rec.to_key = (const char *)new.key[1];
	stamp(&x);
	new.amount = m->f[WF_AMOUNT].num;
	if (m->f[WF_EXPIRES].num > 0)
		new.expires_ms = x.rec.ts +
		    (int64_t)(m->f[WF_EXPIRES].num * 1000);
	rc = propose(&x, &new);
	buf_fini(&x.text);
	buf_fini(&x.object);
	return rc;
}

/* -------------------------------------------------------------- the others */

/* It can't be done to a proposal in this state: what can? */
static int
refuse_state(struct peer *p, enum proposal_status status)
{
	int rc = AC_E_INVALID_PROPOSAL;

	return refuse(p, rc, "%s: It is %s: %s.", ac_errword(rc),
	    proposal_status_name(status), status == PROPOSAL_PENDING ?
	    "it has to be accepted first" : status == PROPOSAL_ACCEPTED ?
	    "it can be completed or disputed" : "nothing more can be done to "
	    "it, make a new proposal");
}

int
on_step(struct peer *p, const struct wire_msg *m)
{
	static const char no_key[REC_KEY_LEN] = { 0 };
	const struct wire_value *id = &m->f[WF_PROPOSAL_ID];
	struct making x = { .peer = p, .m = m, .type = m->type };
	const char *why = proposal_check(m);
	struct work *w;
	bool made;
	int rc = check_signed(p, m), place = proposal_place(m->type);

	if (rc < 0)
		return rc;
	if (why != NULL)
		return refuse(p, AC_E_INVALID_MSG, "%s", why);
	w = work_by_id(p->relay, id->s, id->len);
	if (w == NULL)
		return invalid(p, AC_E_PROPOSAL_NOT_FOUND, NULL);
	x.work = w;
	x.by = work_party(w, p->key);
	if (x.by == PROPOSAL_STRANGER)
		return invalid(p, AC_E_NOT_PROPOSAL_PARTY, NULL);
	rc = check_sig(p, m, w->id);
	if (rc < 0)
		return rc;
	if (w->again[place] != 0 && w->again[place] == again_of(m))
		return confirm_again(p, m, w);
	stamp(&x);
	rc = proposal_next(work_status(w, x.rec.ts), m->type, x.by, &x.status);
	if (rc == AC_E_INVALID_PROPOSAL)
		return refuse_state(p, work_status(w, x.rec.ts));
	if (rc < 0)
		return invalid(p, rc, NULL);
	turn_commit(p->relay);
	x.rec.to_key = no_key;
	rc = make_text(&x);
	if (rc == 0)
		rc = make(&x, &made);
	buf_fini(&x.text);
	buf_fini(&x.object);
	return rc;
}

/* The newest step, for a party that has proved its key. */
int
on_get_proposal(struct peer *p, const struct wire_msg *m)
{
	const struct wire_value *id = &m->f[WF_PROPOSAL_ID];
	struct work *w = work_by_id(p->relay, id->s, id->len);
	int place = 2;

	if (!p->verified)
		return refuse(p, AC_E_AUTH_REQUIRED,
		    "Prove your key first: answer the CHALLENGE.");
	if (w == NULL)
		return invalid(p, AC_E_PROPOSAL_NOT_FOUND, NULL);
	if (work_party(w, p->key) == PROPOSAL_STRANGER)
		return invalid(p, AC_E_NOT_PROPOSAL_PARTY, NULL);
	while (place > 0 && w->pos[place] == 0)
		place--;
	return tell_again(p, m, w, place);
}
