/*
 * step.c - the texts that a step's signatures cover.
 *
 * The published texts (sig), of which two generations are in the field:
 *
 *	to|task|amount|currency|payment_code|expires		and |elo_stake
 *	ACCEPT|id|payment_code					and |elo_stake
 *	REJECT|id|reason  COMPLETE|id|proof  DISPUTE|id|reason
 *
 * What is absent is empty. A number 0 is empty where it was written by the
 * client that these texts come from, and "0" to who only reads about them: so
 * a signature may fit any of four forms.
 */
#include "config.h"

#include "ledger/ledger.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define END	WIRE_FIELD_COUNT

/* What each step says itself, and so signs. */
static const enum wire_field said[][9] = {
	[WIRE_PROPOSAL] = { WF_TO, WF_TASK, WF_AMOUNT, WF_CURRENCY,
	    WF_PAYMENT_CODE, WF_TERMS, WF_EXPIRES, WF_ELO_STAKE, END },
	[WIRE_ACCEPT] = { WF_PAYMENT_CODE, WF_ELO_STAKE, END },
	[WIRE_REJECT] = { WF_REASON, END },
	[WIRE_COMPLETE] = { WF_PROOF, END },
	[WIRE_DISPUTE] = { WF_REASON, END },
};

/* ------------------------------------------------------- published texts */

static void
put_plain(struct buf *b, const struct wire_value *v, unsigned form)
{
	if (v->kind == WIRE_STR)
		buf_add(b, v->s, v->len);
	else if (v->kind == WIRE_NUM && (v->num != 0 ||
	    (form & STEP_ZEROS) != 0))
		wire_json_num(b, v->num);
}

static void
put_joined(struct buf *b, const struct wire_msg *m, const enum wire_field *f,
    size_t count, unsigned form)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_addc(b, '|');
		put_plain(b, &m->f[f[i]], form);
	}
}

void
step_plain(struct buf *out, const struct wire_msg *m, const char *id,
    unsigned form)
{
	static const enum wire_field proposal[] = { WF_TO, WF_TASK, WF_AMOUNT,
	    WF_CURRENCY, WF_PAYMENT_CODE, WF_EXPIRES, WF_ELO_STAKE };
	static const enum wire_field accept[] = { WF_PAYMENT_CODE,
	    WF_ELO_STAKE };
	size_t stake = (form & STEP_STAKE) != 0;

	if (m->type == WIRE_PROPOSAL) {
		put_joined(out, m, proposal, 6 + stake, form);
		return;
	}
	buf_adds(out, wire_type_name(m->type));
	buf_addc(out, '|');
	buf_adds(out, id);
	buf_addc(out, '|');
	if (m->type == WIRE_ACCEPT)
		put_joined(out, m, accept, 1 + stake, form);
	else
		put_joined(out, m, said[m->type], 1, form);
}

static bool
has_zero(const struct wire_msg *m)
{
	static const enum wire_field numbers[] = { WF_AMOUNT, WF_EXPIRES,
	    WF_ELO_STAKE };

	for (size_t i = 0; i < AC_COUNTOF(numbers); i++)
		if (m->f[numbers[i]].kind == WIRE_NUM &&
		    m->f[numbers[i]].num == 0)
			return true;
	return false;
}

int
step_check_sig(const struct wire_msg *m, const char *id,
    const unsigned char key[IDENT_KEY_LEN])
{
	const struct wire_value *sig = &m->f[WF_SIG];
	bool stake = m->type == WIRE_PROPOSAL || m->type == WIRE_ACCEPT;
	struct buf text = BUF_INIT;
	int rc = AC_E_VERIFICATION_FAILED;

	if (sig->kind != WIRE_STR || proposal_place(m->type) < 0)
		return AC_E_VERIFICATION_FAILED;
	for (unsigned form = 0; form < STEP_FORMS; form++) {
		if (((form & STEP_STAKE) != 0 && !stake) ||
		    ((form & STEP_ZEROS) != 0 && !has_zero(m)))
			continue;
		buf_clear(&text);
		step_plain(&text, m, id, form);
		rc = buf_err(&text);
		if (rc == 0)
			rc = ident_verify(key, text.p, text.len, sig->s,
			    sig->len);
		if (rc != AC_E_VERIFICATION_FAILED)
			break;
	}
	buf_fini(&text);
	return rc;
}

/* ---------------------------------------------------------------- chains */

/* Members in any order: what is made of them is brought into one. */
static void
put_head(struct buf *b, enum wire_type type, const struct step_head *h)
{
	wire_begin(b, type);
	wire_puts(b, type == WIRE_PROPOSAL ? WF_ID : WF_PROPOSAL_ID, h->id);
	if (h->from != NULL)
		wire_puts(b, WF_FROM, h->from);
	if (h->pubkey != NULL)
		wire_puts(b, WF_PUBKEY, h->pubkey);
	if (h->prev != NULL)
		wire_puts(b, WF_PREV, h->prev);
	if (h->ts >= 0)
		wire_put_int(b, WF_TS, h->ts);
}

static void
put_said(struct buf *b, const struct wire_msg *m, bool expires)
{
	for (const enum wire_field *f = said[m->type]; *f != END; f++)
		if (wire_has(m, *f) && (*f != WF_EXPIRES || expires))
			wire_put_raw(b, *f, m->f[*f].raw, m->f[*f].raw_len);
}

static int
finish(struct buf *out, struct buf *b)
{
	int rc;

	wire_end(b);
	rc = buf_err(b);
	if (rc == 0)
		rc = wire_canon(out, b->p, b->len);
	buf_fini(b);
	return rc;
}

int
step_text(struct buf *out, const struct wire_msg *m,
    const struct step_head *h)
{
	struct buf b = BUF_INIT;

	if (proposal_place(m->type) < 0)
		return AC_E_INVALID_MSG;
	put_head(&b, m->type, h);
	put_said(&b, m, true);
	return finish(out, &b);
}

/* As told, or from what a relay makes of it: the time when it is over. */
static void
put_expires(struct buf *b, const struct wire_msg *m)
{
	const struct wire_value *in = &m->f[WF_EXPIRES_IN];
	int64_t at = wire_int(m, WF_EXPIRES, -1);
	int64_t from = wire_int(m, WF_CREATED_AT, -1);

	if (in->kind == WIRE_NUM)
		wire_put_raw(b, WF_EXPIRES, in->raw, in->raw_len);
	else if (at > 0 && from > 0 && at > from)
		wire_put_num(b, WF_EXPIRES, round((double)(at - from) / 1000));
}

int
step_from_relay(struct buf *out, const struct wire_msg *m)
{
	const struct wire_value *sent = &m->f[WF_SENT_TS];
	struct step_head h = {
		.id = wire_str(m, m->type == WIRE_PROPOSAL ? WF_ID :
		    WF_PROPOSAL_ID),
		.from = wire_str(m, WF_FROM),
		.pubkey = wire_str(m, WF_PUBKEY),
		.prev = wire_str(m, WF_PREV), .ts = -1,
	};
	struct buf b = BUF_INIT, text = BUF_INIT;
	int rc;

	if (proposal_place(m->type) < 0 || h.id == NULL)
		return AC_E_INVALID_MSG;
	put_head(&b, m->type, &h);
	put_said(&b, m, false);
	if (m->type == WIRE_PROPOSAL)
		put_expires(&b, m);
	if (sent->kind == WIRE_NUM)
		wire_put_raw(&b, WF_TS, sent->raw, sent->raw_len);
	rc = finish(&text, &b);
	if (rc == 0) {
		step_object(out, &text, m);
		rc = buf_err(out);
	}
	buf_fini(&text);
	return rc;
}

void
step_object(struct buf *out, const struct buf *text, const struct wire_msg *m)
{
	static const enum wire_field sigs[] = { WF_SIG, WF_SIG2 };

	buf_add(out, text->p, text->len - 1);
	for (size_t i = 0; i < AC_COUNTOF(sigs); i++)
		if (wire_has(m, sigs[i]))
			wire_put_str(out, sigs[i], m->f[sigs[i]].s,
			    m->f[sigs[i]].len);
	wire_end(out);
}

/* ----------------------------------------------------------------- making */

int
step_sign(struct buf *out, const struct wire_msg *m, const char *text,
    size_t len, const struct step_head *h, const char *req,
    const struct ident *ident)
{
	static const enum wire_field ours[] = { WF_ID, WF_TS, WF_SIG, WF_SIG2 };
	bool chained = m->type == WIRE_PROPOSAL || h->prev != NULL;
	char sig[IDENT_SIG_MAX], sig2[IDENT_SIG_MAX];
	struct buf b = BUF_INIT;
	int rc;

	/* Unless there is a stake, what the oldest clients check. */
	step_plain(&b, m, h->id, wire_has(m, WF_ELO_STAKE) ? STEP_STAKE : 0);
	rc = buf_err(&b);
	if (rc == 0)
		rc = ident_sign(ident, b.p, b.len, sig);
	buf_clear(&b);
	if (rc == 0 && chained)
		rc = step_text(&b, m, h);
	if (rc == 0 && chained)
		rc = ident_sign(ident, b.p, b.len, sig2);
	buf_fini(&b);
	if (rc == 0)
		rc = wire_copy_without(out, text, len, ours, AC_COUNTOF(ours));
	if (rc < 0)
		return rc;
	if (m->type == WIRE_PROPOSAL)
		req = h->id;
	if (req != NULL)
		wire_puts(out, WF_ID, req);
	wire_put_int(out, WF_TS, h->ts);
	wire_puts(out, WF_SIG, sig);
	if (chained)
		wire_puts(out, WF_SIG2, sig2);
	wire_end(out);
	return buf_err(out);
}

/* ---------------------------------------------------------------- reading */

void
step_init(struct step *s)
{
	memset(s, 0, sizeof(*s));
	wire_msg_init(&s->m);
	buf_init(&s->text);
}

void
step_fini(struct step *s)
{
	wire_msg_fini(&s->m);
	buf_fini(&s->text);
}

/* The one spelling that we write: others would be other texts. */
static bool
read_key(struct step *s)
{
	const struct wire_value *v = &s->m.f[WF_PUBKEY];
	char b64[IDENT_B64_MAX];

	if (v->kind != WIRE_STR || ident_key_parse(s->key, v->s, v->len) < 0)
		return false;
	ident_key_b64(s->key, b64);
	return strcmp(b64, v->s) == 0;
}

int
step_read(struct step *s, const char *json, size_t len)
{
	static const enum wire_field sigs[] = { WF_SIG, WF_SIG2 };
	struct buf bare = BUF_INIT;
	int rc = wire_parse_object(&s->m, json, len);

	if (rc == 0 && proposal_place(s->m.type) < 0)
		rc = AC_E_INVALID_MSG;
	if (rc == 0)
		rc = wire_copy_without(&bare, json, len, sigs,
		    AC_COUNTOF(sigs));
	if (rc == 0) {
		wire_end(&bare);
		rc = buf_err(&bare);
	}
	buf_clear(&s->text);
	if (rc == 0)
		rc = wire_canon(&s->text, bare.p, bare.len);
	buf_fini(&bare);
	if (rc < 0)
		return rc;
	ident_sha256(s->text.p, s->text.len, s->hash);
	s->has_key = read_key(s);
	return 0;
}

bool
step_is_good(const struct step *s)
{
	const char *from = wire_str(&s->m, WF_FROM);
	const char *id = wire_str(&s->m, WF_PROPOSAL_ID);
	const struct wire_value *sig2 = &s->m.f[WF_SIG2];

	return from != NULL && s->has_key && ident_key_fits(s->key, from) &&
	    step_check_sig(&s->m, id != NULL ? id : "", s->key) == 0 &&
	    (sig2->kind != WIRE_STR || ident_verify(s->key, s->text.p,
	    s->text.len, sig2->s, sig2->len) == 0);
}
