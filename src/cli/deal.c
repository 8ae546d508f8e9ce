/*
 * deal.c - one step of a deal, from the command line.
 *
 * Through the daemon it is a line of outbox.jsonl, whose id is in the receipt
 * that the daemon puts down. Through a relay we sign it ourselves (lib/deal.h).
 */
#include "config.h"

#include "cli/deal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/inst.h"
#include "cli/line.h"
#include "cli/out.h"
#include "spool/spool.h"

void
deal_option(struct cmd_line *cl, int c)
{
	if (c == OPT_DEAL_WAIT)
		cl->timeout_ms = cmd_span(cl, 0, INT64_C(1) << 40);
}

/* Would the relay take it? Said here, it costs nobody anything. */
static int
check_line(const struct cmd *cmd, struct wire_msg *m, const struct buf *line)
{
	const char *why;
	int rc = deal_check(m, line, &why);

	if (rc == 0)
		return EXIT_OK;
	if (rc == -ENOMEM)
		return cmd_fail(cmd, EXIT_FAILED, "out of memory");
	return cmd_usage(cmd, "%s", why);
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

static int
make_remote(const struct cmd_line *cl, const struct deal_step *s,
    const struct wire_msg *m, const struct buf *line, const char *req,
    struct buf *out)
{
	struct remote r;
	int rc, code = remote_open(&r, cl, true);

	if (code == EXIT_OK && r.ident == NULL)
		code = cmd_fail(cl->cmd, EXIT_FAILED, "work is signed: give a "
		    "key with -i ('agentchat identity --generate' makes one)");
	if (code == EXIT_OK) {
		rc = deal_call(r.call, r.ident, s, m, line, req, out,
		    REMOTE_TIMEOUT_MS);
		if (rc == -EBADMSG)
			code = cmd_fail(cl->cmd, EXIT_REFUSED, "not signed: "
			    "what this relay tells of %s is not what the "
			    "other agent signed", s->id);
		else
			code = rc < 0 ? remote_fail(&r, rc) : EXIT_OK;
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
	char id[DEAL_ID_MAX];
	struct wire_msg m;
	int code;

	deal_make_id(s, id);
	deal_print(&line, s, id);
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
