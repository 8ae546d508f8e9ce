/*
 * receipt.c - what is left of a deal, for whoever wants to check it.
 *
 * Nothing in a receipt is believed: each check has a name, and the first that
 * fails is told. Without a relay nobody can know that a receipt is the only
 * one of its deal: who counts receipts takes the first of each.
 */
#include "config.h"

#include "ledger/ledger.h"

#include <errno.h>
#include <string.h>

/* A receipt being checked. */
struct paper {
	struct wire_msg	 m;
	struct step	 step[3];
	const char	*check;
};

/* The names of one step's checks. */
struct check_names {
	const char	*missing, *type, *id, *from, *pubkey, *ts, *sig, *sig2,
			*prev;
};

#define NAMES(step) { \
	step, step ".type", step ".proposal_id", step ".from", \
	step ".pubkey", step ".ts", step ".sig", step ".sig2", step ".prev" }

static const struct check_names proposal_names = { "proposal",
	"proposal.type", "proposal.id", "proposal.from", "proposal.pubkey",
	"proposal.ts", "proposal.sig", "proposal.sig2", "proposal.prev" };
static const struct check_names accept_names = NAMES("accept");
static const struct check_names complete_names = NAMES("complete");
static const struct check_names dispute_names = NAMES("dispute");

static int
fail(struct paper *p, const char *check)
{
	p->check = check;
	return AC_E_VERIFICATION_FAILED;
}

static int
none(struct paper *p, const char *check)
{
	p->check = check;
	return AC_E_INVALID_MSG;
}

static const struct check_names *
names_of(const struct paper *p, size_t i)
{
	if (i == 0)
		return &proposal_names;
	if (i == 1)
		return &accept_names;
	return p->m.type == WIRE_COMPLETE ? &complete_names : &dispute_names;
}

static enum wire_field
end_field(const struct paper *p)
{
	return p->m.type == WIRE_COMPLETE ? WF_COMPLETE : WF_DISPUTE;
}

static bool
same(const struct wire_value *a, const struct wire_value *b)
{
	return a->kind == WIRE_STR && b->kind == WIRE_STR &&
	    a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

/* ---------------------------------------------------------------- reading */

/* Only what is named here: anything else would be said by nobody. */
static int
check_members(struct paper *p, const char *line, size_t len)
{
	const enum wire_field known[] = { WF_TYPE, WF_PROPOSAL_ID, WF_PROPOSAL,
	    WF_ACCEPT, end_field(p) };
	struct buf rest = BUF_INIT;
	int rc = wire_copy_without(&rest, line, len, known, AC_COUNTOF(known));

	if (rc == 0 && rest.len != 1)
		rc = fail(p, "members");
	buf_fini(&rest);
	return rc;
}

static int
read_steps(struct paper *p)
{
	const enum wire_field fields[] = { WF_PROPOSAL, WF_ACCEPT,
	    end_field(p) };

	for (size_t i = 0; i < AC_COUNTOF(fields); i++) {
		const struct wire_value *v = &p->m.f[fields[i]];
		int rc;

		if (v->kind != WIRE_OBJ)
			return none(p, names_of(p, i)->missing);
		rc = step_read(&p->step[i], v->raw, v->raw_len);
		if (rc == AC_E_INVALID_MSG)
			return fail(p, names_of(p, i)->missing);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --------------------------------------------------------------- checking */

/* What a step says of itself, and who says it. */
static int
check_step(struct paper *p, size_t i)
{
	static const enum wire_type types[] = { WIRE_PROPOSAL, WIRE_ACCEPT };
	const struct check_names *n = names_of(p, i);
	const struct wire_msg *m = &p->step[i].m;
	const struct wire_value *ts = wire_has(m, WF_TS) ? &m->f[WF_TS] : NULL;

	if (m->type != (i < 2 ? types[i] : p->m.type))
		return fail(p, n->type);
	if (!same(&m->f[i == 0 ? WF_ID : WF_PROPOSAL_ID],
	    &p->m.f[WF_PROPOSAL_ID]))
		return fail(p, n->id);
	if (!p->step[i].has_key)
		return fail(p, n->pubkey);
	if (!wire_has(m, WF_FROM) ||
	    !ident_key_fits(p->step[i].key, m->f[WF_FROM].s))
		return fail(p, n->from);
	if (ts != NULL && wire_int(m, WF_TS, -1) < 0)
		return fail(p, n->ts);
	return 0;
}

/* Are they the steps of two parties, each the one that it has to be? */
static int
check_parties(struct paper *p)
{
	const struct wire_msg *proposal = &p->step[0].m;
	const struct step *end = &p->step[2];
	size_t by;

	if (!same(&proposal->f[WF_TO], &p->step[1].m.f[WF_FROM]))
		return fail(p, "accept.from");
	if (memcmp(p->step[0].key, p->step[1].key, IDENT_KEY_LEN) == 0)
		return fail(p, "self-dealt");
	by = same(&end->m.f[WF_FROM], &proposal->f[WF_FROM]) ? 0 : 1;
	if (!same(&end->m.f[WF_FROM], &p->step[by].m.f[WF_FROM]))
		return fail(p, names_of(p, 2)->from);
	if (memcmp(end->key, p->step[by].key, IDENT_KEY_LEN) != 0)
		return fail(p, names_of(p, 2)->pubkey);
	return 0;
}

static int
check_sigs(struct paper *p, size_t i, bool *strong)
{
	const struct check_names *n = names_of(p, i);
	const struct step *s = &p->step[i];
	const struct wire_value *prev = &s->m.f[WF_PREV];
	const struct wire_value *sig2 = &s->m.f[WF_SIG2];
	int rc = step_check_sig(&s->m, wire_str(&p->m, WF_PROPOSAL_ID),
	    s->key);

	if (rc < 0)
		return rc == -ENOMEM ? rc : fail(p, n->sig);
	/* What was said to follow has to, whether it was signed or not. */
	if (i == 0 ? prev->kind != WIRE_ABSENT : prev->kind == WIRE_STR &&
	    strcmp(prev->s, p->step[i - 1].hash) != 0)
		return fail(p, n->prev);
	if (sig2->kind == WIRE_STR && ident_verify(s->key, s->text.p,
	    s->text.len, sig2->s, sig2->len) < 0)
		return fail(p, n->sig2);
	if (sig2->kind != WIRE_STR || (i > 0 && prev->kind != WIRE_STR))
		*strong = false;
	return 0;
}

static void
copy(char *out, size_t cap, const struct wire_value *v)
{
	size_t len = v->kind == WIRE_STR && v->len < cap ? v->len : 0;

	if (len > 0)
		memcpy(out, v->s, len);
	out[len] = '\0';
}

static void
summarize(const struct paper *p, struct receipt *r)
{
	const struct wire_msg *proposal = &p->step[0].m;

	r->type = p->m.type;
	copy(r->id, sizeof(r->id), &p->m.f[WF_PROPOSAL_ID]);
	copy(r->from, sizeof(r->from), &proposal->f[WF_FROM]);
	copy(r->to, sizeof(r->to), &proposal->f[WF_TO]);
	copy(r->by, sizeof(r->by), &p->step[2].m.f[WF_FROM]);
	copy(r->currency, sizeof(r->currency), &proposal->f[WF_CURRENCY]);
	if (proposal->f[WF_AMOUNT].kind == WIRE_NUM &&
	    proposal->f[WF_AMOUNT].num > 0)
		r->amount = proposal->f[WF_AMOUNT].num;
	r->ts = wire_int(&p->step[2].m, WF_TS, 0);
}

static int
check(struct paper *p, const char *line, size_t len, struct receipt *r)
{
	int rc = wire_parse_object(&p->m, line, len);

	if (rc == AC_E_INVALID_MSG)
		return none(p, "JSON");
	if (rc < 0)
		return rc;
	if (p->m.type != WIRE_COMPLETE && p->m.type != WIRE_DISPUTE)
		return none(p, "type");
	if (!wire_has(&p->m, WF_PROPOSAL_ID) ||
	    p->m.f[WF_PROPOSAL_ID].len > WIRE_REF_MAX)
		return none(p, "proposal_id");
	rc = read_steps(p);
	if (rc == 0)
		rc = check_members(p, line, len);
	for (size_t i = 0; rc == 0 && i < 3; i++)
		rc = check_step(p, i);
	if (rc == 0)
		rc = check_parties(p);
	r->strong = true;
	for (size_t i = 0; rc == 0 && i < 3; i++)
		rc = check_sigs(p, i, &r->strong);
	if (rc == 0)
		summarize(p, r);
	return rc;
}

int
receipt_check(struct receipt *r, const char *line, size_t len,
    const char **why)
{
	struct paper p = { .check = NULL };
	int rc;

	memset(r, 0, sizeof(*r));
	wire_msg_init(&p.m);
	for (size_t i = 0; i < 3; i++)
		step_init(&p.step[i]);
	rc = check(&p, line, len, r);
	*why = p.check != NULL ? p.check : "";
	for (size_t i = 0; i < 3; i++)
		step_fini(&p.step[i]);
	wire_msg_fini(&p.m);
	return rc;
}

void
receipt_make(struct buf *out, enum wire_type type, const char *id,
    const struct buf *proposal, const struct buf *accept,
    const struct buf *end)
{
	wire_begin(out, type);
	wire_puts(out, WF_PROPOSAL_ID, id);
	wire_put_raw(out, WF_PROPOSAL, proposal->p, proposal->len);
	wire_put_raw(out, WF_ACCEPT, accept->p, accept->len);
	wire_put_raw(out, type == WIRE_COMPLETE ? WF_COMPLETE : WF_DISPUTE,
	    end->p, end->len);
	wire_end(out);
}
