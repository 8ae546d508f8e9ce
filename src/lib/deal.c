/*
 * deal.c - one step of a deal, made in a session with a relay.
 */
#include "config.h"

#include "lib/deal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "ident/ident.h"

void
deal_make_id(const struct deal_step *s, char id[DEAL_ID_MAX])
{
	uint32_t rnd;

	if (s->type != WIRE_PROPOSAL) {
		rnd_name(id, 16);
		return;
	}
	rnd_bytes(&rnd, sizeof(rnd));
	proposal_id_make(id, clock_wall_ms(), rnd);
}

static void
put(struct buf *b, enum wire_field f, const char *s)
{
	if (s != NULL)
		wire_puts(b, f, s);
}

void
deal_print(struct buf *b, const struct deal_step *s, const char *id)
{
	wire_begin(b, s->type);
	if (s->type != WIRE_PROPOSAL)
		wire_puts(b, WF_PROPOSAL_ID, s->id);
	put(b, WF_TO, s->to);
	put(b, WF_TASK, s->task);
	if (s->amount >= 0)
		wire_put_num(b, WF_AMOUNT, s->amount);
	put(b, WF_CURRENCY, s->currency);
	put(b, WF_PAYMENT_CODE, s->payment_code);
	if (s->expires >= 0)
		wire_put_int(b, WF_EXPIRES, s->expires);
	put(b, WF_TERMS, s->terms);
	put(b, WF_REASON, s->reason);
	put(b, WF_PROOF, s->proof);
	wire_puts(b, WF_ID, id);
	wire_end(b);
}

int
deal_check(struct wire_msg *m, const struct buf *message, const char **why)
{
	int rc = buf_err(message);

	*why = NULL;
	if (rc == 0)
		rc = wire_parse(m, message->p, message->len,
		    WIRE_FROM_CLIENT);
	if (rc == 0)
		*why = proposal_check(m);
	else if (rc == AC_E_INVALID_MSG)
		*why = m->why != NULL ? m->why : ac_strerror(rc);
	return *why != NULL ? AC_E_INVALID_MSG : rc;
}

struct talk {
	const struct deal_step *step;
	const char	*id;		/* of the proposal */
	const char	*me;
	char		 prev[65];
	bool		 altered;	/* by the relay: not as it was signed */
	struct buf	*out;
};

/* The proposal's newest step: ours follows it, or will be refused. */
static int
take_prev(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	int place = proposal_place(m->type);
	struct buf object = BUF_INIT;
	struct talk *t = arg;
	const char *id = wire_str(m, WF_PROPOSAL_ID);
	struct step s;

	(void)text;
	(void)len;
	if (place < 0 || !m->f[WF_REPLAY].b || id == NULL ||
	    strcmp(id, t->id) != 0)
		return 0;
	if (place != proposal_place(t->step->type) - 1)
		return 1;
	step_init(&s);
	if (step_from_relay(&object, m) == 0 &&
	    step_read(&s, object.p, object.len) == 0) {
		memcpy(t->prev, s.hash, sizeof(t->prev));
		t->altered = s.has_key && !step_is_good(&s);
	}
	step_fini(&s);
	buf_fini(&object);
	return 1;
}

static int
take_answer(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	struct talk *t = arg;
	const char *from = wire_str(m, WF_FROM);
	const char *id = wire_str(m, WF_PROPOSAL_ID);

	if (id == NULL && m->type == WIRE_PROPOSAL)
		id = wire_str(m, WF_ID);
	if (m->type != t->step->type || id == NULL ||
	    (from != NULL && strcmp(from, t->me) != 0))
		return 0;
	/* An old relay gives a proposal an id of its own. */
	if (m->type != WIRE_PROPOSAL && strcmp(id, t->id) != 0)
		return 0;
	buf_clear(t->out);
	buf_add(t->out, text, len);
	return 1;
}

/* Without it (an old relay doesn't know the question) there is no chain. */
static void
find_prev(struct call *c, struct talk *t, int64_t timeout_ms)
{
	struct buf b = BUF_INIT;

	if (t->step->type == WIRE_PROPOSAL ||
	    call_info(c)->epoch[0] == '\0')
		return;
	wire_begin(&b, WIRE_GET_PROPOSAL);
	wire_puts(&b, WF_PROPOSAL_ID, t->id);
	wire_end(&b);
	if (buf_err(&b) < 0 ||
	    call_do(c, b.p, b.len, take_prev, t, timeout_ms) < 0)
		t->prev[0] = '\0';
	buf_fini(&b);
}

int
deal_call(struct call *c, const struct ident *me, const struct deal_step *s,
    const struct wire_msg *m, const struct buf *message, const char *id,
    struct buf *answer, int64_t timeout_ms)
{
	struct talk t = { .step = s, .out = answer,
	    .id = s->type == WIRE_PROPOSAL ? id : s->id,
	    .me = call_info(c)->agent_id };
	int64_t deadline = clock_mono_ms() + timeout_ms;
	char pubkey[IDENT_B64_MAX];
	struct step_head h = { .id = t.id, .from = t.me, .pubkey = pubkey };
	struct buf b = BUF_INIT;
	int rc;

	if (me == NULL)
		return -ENOKEY;
	find_prev(c, &t, timeout_ms);
	if (t.altered)
		return -EBADMSG;
	if (t.prev[0] != '\0')
		h.prev = t.prev;
	h.ts = clock_wall_ms();
	ident_key_b64(ident_pub(me), pubkey);
	rc = step_sign(&b, m, message->p, message->len, &h, id, me);
	if (timeout_ms >= 0) {
		timeout_ms = deadline - clock_mono_ms();
		if (timeout_ms < 0)
			timeout_ms = 0;
	}
	if (rc == 0)
		rc = call_do(c, b.p, b.len, take_answer, &t, timeout_ms);
	buf_fini(&b);
	return rc;
}
