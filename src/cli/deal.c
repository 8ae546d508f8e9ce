/*
 * deal.c - one step of a deal, from the command line.
 *
 * Through the daemon it is a line of outbox.jsonl, whose id is in the receipt
 * that the daemon puts down. Through a relay we sign it ourselves, and ask for
 * the step before, which the chain of signatures needs.
 */
#include "config.h"

#include "cli/deal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "cli/inst.h"
#include "cli/line.h"
#include "cli/out.h"
#include "ident/ident.h"
#include "ledger/ledger.h"
#include "spool/spool.h"

void
deal_option(struct cmd_line *cl, int c)
{
	if (c == OPT_DEAL_WAIT)
		cl->timeout_ms = cmd_span(cl, 0, INT64_C(1) << 40);
}

static void
put(struct buf *b, enum wire_field f, const char *s)
{
	if (s != NULL)
		wire_puts(b, f, s);
}

/* The step as a line of outbox.jsonl, without its newline. */
static void
print_line(struct buf *b, const struct deal_step *s, const char *id)
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

/* Would the relay take it? Said here, it costs nobody anything. */
static int
check_line(const struct cmd *cmd, struct wire_msg *m, const struct buf *line)
{
	const char *why;
	int rc = buf_err(line);

	if (rc == 0)
		rc = wire_parse(m, line->p, line->len, WIRE_FROM_CLIENT);
	why = rc == 0 ? proposal_check(m) : m->why;
	if (rc == 0 && why == NULL)
		return EXIT_OK;
	if (rc == -ENOMEM)
		return cmd_fail(cmd, EXIT_FAILED, "out of memory");
	return cmd_usage(cmd, "%s", why != NULL ? why : ac_strerror(rc));
}

/* ---------------------------------------------------- through the daemon */

/* What the relay said, out of the receipt. */
static void
take_reply(struct buf *receipt)
{
	struct buf reply = BUF_INIT;
	struct wire_value v;
	struct wire_msg m;

	wire_msg_init(&m);
	if (wire_parse_object(&m, receipt->p, receipt->len) == 0) {
		v = wire_find(&m, "reply");
		if (v.kind == WIRE_OBJ)
			buf_add(&reply, v.raw, v.raw_len);
	}
	wire_msg_fini(&m);
	if (reply.len > 0) {
		buf_clear(receipt);
		buf_add(receipt, reply.p, reply.len);
	}
	buf_fini(&reply);
}

static int
make_local(const struct cmd_line *cl, const struct buf *line, const char *id,
    struct buf *out)
{
	struct inst in;
	int code = inst_open(&in, cl, true);

	if (code == EXIT_OK)
		code = line_send(&in, cl->cmd, line, id, cl->timeout_ms >= 0 ?
		    cl->timeout_ms : LINE_MS, out);
	if (code == EXIT_OK)
		take_reply(out);
	inst_close(&in);
	return code;
}

/* ------------------------------------------------------ through a relay */

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
find_prev(struct remote *r, struct talk *t)
{
	struct buf b = BUF_INIT;

	if (t->step->type == WIRE_PROPOSAL ||
	    call_info(r->call)->epoch[0] == '\0')
		return;
	wire_begin(&b, WIRE_GET_PROPOSAL);
	wire_puts(&b, WF_PROPOSAL_ID, t->id);
	wire_end(&b);
	if (buf_err(&b) < 0 || call_do(r->call, b.p, b.len, take_prev, t,
	    REMOTE_TIMEOUT_MS) < 0)
		t->prev[0] = '\0';
	buf_fini(&b);
}

static int
sign_and_send(struct remote *r, const struct wire_msg *m,
    const struct buf *line, const char *req, struct talk *t)
{
	char pubkey[IDENT_B64_MAX];
	struct step_head h = { .id = t->id, .from = t->me, .pubkey = pubkey,
	    .prev = t->prev[0] != '\0' ? t->prev : NULL,
	    .ts = clock_wall_ms() };
	struct buf b = BUF_INIT;
	int rc, code;

	ident_key_b64(ident_pub(r->ident), pubkey);
	rc = step_sign(&b, m, line->p, line->len, &h, req, r->ident);
	if (rc < 0)
		code = cmd_fail(r->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	else
		code = remote_ask(r, &b, take_answer, t);
	buf_fini(&b);
	return code;
}

static int
make_remote(const struct cmd_line *cl, const struct deal_step *s,
    const struct wire_msg *m, const struct buf *line, const char *req,
    struct buf *out)
{
	struct talk t = { .step = s, .out = out,
	    .id = s->type == WIRE_PROPOSAL ? req : s->id };
	struct remote r;
	int code = remote_open(&r, cl, true);

	if (code == EXIT_OK && r.ident == NULL)
		code = cmd_fail(cl->cmd, EXIT_FAILED, "work is signed: give a "
		    "key with -i ('agentchat identity --generate' makes one)");
	if (code == EXIT_OK) {
		t.me = call_info(r.call)->agent_id;
		find_prev(&r, &t);
		code = t.altered ? cmd_fail(cl->cmd, EXIT_REFUSED, "not "
		    "signed: what this relay tells of %s is not what the "
		    "other agent signed", t.id) :
		    sign_and_send(&r, m, line, req, &t);
	}
	remote_close(&r);
	return code;
}

/* ----------------------------------------------------------------------- */

/* The proposal's id, or all of it. */
static int
print_answer(const struct cmd_line *cl, const struct deal_step *s,
    const char *id, struct buf *answer)
{
	char told[WIRE_REF_MAX + 1];
	struct wire_msg m;

	if (cl->json) {
		buf_addc(answer, '\n');
		return out_put(answer);
	}
	if (s->type != WIRE_PROPOSAL)
		return EXIT_OK;
	snprintf(told, sizeof(told), "%s", id);
	wire_msg_init(&m);
	if (wire_parse_object(&m, answer->p, answer->len) == 0 &&
	    wire_has(&m, WF_ID) && wire_has(&m, WF_TASK))
		snprintf(told, sizeof(told), "%s", wire_str(&m, WF_ID));
	wire_msg_fini(&m);
	buf_clear(answer);
	out_text(answer, told, strlen(told));
	buf_addc(answer, '\n');
	return out_put(answer);
}

int
deal_make(const struct cmd_line *cl, const struct deal_step *s)
{
	struct buf line = BUF_INIT, answer = BUF_INIT;
	char id[PROPOSAL_ID_MAX];
	struct wire_msg m;
	uint32_t rnd;
	int code;

	if (s->type == WIRE_PROPOSAL) {
		rnd_bytes(&rnd, sizeof(rnd));
		proposal_id_make(id, clock_wall_ms(), rnd);
	} else {
		rnd_name(id, 16);
	}
	print_line(&line, s, id);
	wire_msg_init(&m);
	code = check_line(cl->cmd, &m, &line);
	if (code == EXIT_OK)
		code = cl->server != NULL ?
		    make_remote(cl, s, &m, &line, id, &answer) :
		    make_local(cl, &line, id, &answer);
	if (code == EXIT_OK)
		code = print_answer(cl, s, id, &answer);
	wire_msg_fini(&m);
	buf_fini(&line);
	buf_fini(&answer);
	return code;
}

int
deal_run(const struct cmd *cmd, int argc, char **argv, enum wire_type type)
{
	struct deal_step s = DEAL_STEP(type);
	struct cmd_line cl;
	int c;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		switch (c) {
		case 'p':
			if (type == WIRE_COMPLETE)
				s.proof = cl.arg;
			else
				s.payment_code = cl.arg;
			break;
		case 'r':
			s.reason = cl.arg;
			break;
		default:
			deal_option(&cl, c);
		}
	s.id = cl.argv[0];
	if (cl.argc > 1)
		s.reason = cl.argv[1];
	if (type == WIRE_DISPUTE && s.reason == NULL)
		return cmd_usage(cmd, "what is the matter? Give a reason");
	return deal_make(&cl, &s);
}
