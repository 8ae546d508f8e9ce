/*
 * ask.c - questions to the chain and the provider, through akt.
 */
#include "config.h"

#include "deploy/work.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "deploy/akt.h"
#include "deploy/internal.h"
#include "wire/msg.h"

#define ANSWER_MAX	(4 << 20)	/* bytes of a query's answer */
#define IN_FLIGHT_MS	120000	/* from akt to a block, at the very most */

struct answer {
	struct buf	 text;
	bool		 too_long;
};

static void
hear_answer(void *arg, const char *line, size_t len)
{
	struct answer *an = arg;

	if (an->text.len + len + 1 > ANSWER_MAX) {
		an->too_long = true;
		return;
	}
	buf_add(&an->text, line, len);
	buf_addc(&an->text, '\n');
}

/*
 * Ask akt something that is answered with one JSON object, into m; text is
 * what it points to. A signal that is pending does not keep us from asking.
 */
static int
ask(struct work *w, const char *const *args, struct wire_msg *m,
    struct answer *an)
{
	const struct akt_run run = {
		.program = w->program, .args = args, .home = w->home.p,
		.timeout_ms = work_patience(w, DEPLOY_ASK_MS), .deaf = true,
		.out = hear_answer, .arg = an,
	};
	int rc = akt_run(&run);

	if (rc != 0)
		return rc < 0 ? rc : -EIO;
	rc = an->too_long ? -EMSGSIZE : buf_err(&an->text);
	if (rc == 0)
		rc = wire_parse_object(m, an->text.p != NULL ? an->text.p : "",
		    an->text.len);
	return rc < -1000 ? -EPROTO : rc;
}

/* A deployment without record: give it one. 1 if it had none. */
static int
note_found(struct work *w, const char *network, int64_t deposit, uint64_t dseq)
{
	struct deploy_record rec = {
		.dseq = dseq, .state = "found", .deposit = deposit,
		.created_ms = clock_wall_ms(), .expires_ms = -1,
	}, old;
	int rc = record_read(w->dir, network, dseq, &old);

	if (rc != -ENOENT)
		return 0;
	snprintf(rec.network, sizeof(rec.network), "%s", network);
	rc = record_write(w->dir, &rec);
	if (rc < 0)
		return rc;
	work_say(w, "deployment %" PRIu64 " is active on %s and had no record: "
	    "if it is yours, agentchat deploy --close %" PRIu64, dseq,
	    network, dseq);
	return 1;
}

/*
 * The chain has been asked: is that an answer? A deployment that it doesn't
 * know may still be on its way there, while the question is young.
 */
static int
answered(struct work *w, const char *network, int found)
{
	struct deploy_record rec;
	int rc = record_read(w->dir, network, 0, &rec);

	if (rc == 0 && found == 0 &&
	    clock_wall_ms() < rec.created_ms + IN_FLIGHT_MS) {
		work_say(w, "the chain knows of no deployment so far: "
		    "'agentchat deploy --reap' asks again");
		return 0;
	}
	return record_forget_pending(w->dir, network);
}

int
ask_lost(struct work *w, const char *network)
{
	const char *const args[] = { "--context", network, "query",
	    "deployment", "active", "-o", "json", NULL };
	struct answer an = { .text = BUF_INIT };
	struct wire_value list, item, id, dseq;
	const void *at = NULL;
	const char *key;
	struct wire_msg m;
	int found = 0, rc;

	wire_msg_init(&m);
	rc = ask(w, args, &m, &an);
	list = wire_find(&m, "deployments");
	if (rc == 0 && (list.kind != WIRE_LIST || wire_unfold(&m, &list) < 0))
		rc = -EPROTO;
	while (rc >= 0 && wire_each(&list, &at, &key, &item)) {
		item = wire_member(&item, "deployment");
		id = wire_member(&item, "id");
		dseq = wire_member(&id, "dseq");
		if (flow_dseq(&dseq) == 0)
			rc = -EPROTO;
		else
			rc = note_found(w, network, -1, flow_dseq(&dseq));
		found += rc > 0;
	}
	wire_msg_fini(&m);
	buf_fini(&an.text);
	if (rc >= 0)
		rc = answered(w, network, found);
	if (rc < 0)
		work_say(w, "the chain can't be asked for deployments "
		    "without a record (%s): the next deploy does, and "
		    "'agentchat deploy --reap'", ac_strerror(rc));
	return rc < 0 ? rc : found;
}

int
ask_chain(struct work *w, const struct deploy_record *rec, char state[16])
{
	char dseq[24];
	const char *const args[] = { "--context", rec->network, "query",
	    "deployment", dseq, "-o", "json", NULL };
	struct answer an = { .text = BUF_INIT };
	struct wire_value d;
	struct wire_msg m;
	int rc;

	snprintf(dseq, sizeof(dseq), "%" PRIu64, rec->dseq);
	wire_msg_init(&m);
	rc = ask(w, args, &m, &an);
	d = wire_find(&m, "deployment");
	if (rc == 0 && (d.kind != WIRE_OBJ || wire_unfold(&m, &d) < 0))
		rc = -EPROTO;
	state[0] = '\0';
	d = rc == 0 ? wire_member(&d, "state") : d;
	if (rc == 0)
		flow_copy(state, 16, &d);
	wire_msg_fini(&m);
	buf_fini(&an.text);
	return rc == 0 && state[0] == '\0' ? -EPROTO : rc;
}

void
ask_lease(struct work *w, struct deploy_record *rec, struct buf *detail)
{
	char dseq[24];
	const char *const args[] = { "--context", rec->network, "provider",
	    "lease-status", dseq, "-o", "json", NULL };
	struct answer an = { .text = BUF_INIT };
	struct wire_value services, relay, available, total, uris, uri;
	const void *at = NULL;
	const char *key;
	struct wire_msg m;

	snprintf(dseq, sizeof(dseq), "%" PRIu64, rec->dseq);
	wire_msg_init(&m);
	if (ask(w, args, &m, &an) == 0) {
		services = wire_find(&m, "services");
		if (services.kind == WIRE_OBJ &&
		    wire_unfold(&m, &services) < 0)
			services.kind = WIRE_ABSENT;
		relay = wire_member(&services, "relay");
		available = wire_member(&relay, "available");
		total = wire_member(&relay, "total");
		uris = wire_member(&relay, "uris");
		if (available.kind == WIRE_NUM && total.kind == WIRE_NUM)
			buf_addf(detail, ", %.0f of %.0f running",
			    available.num, total.num);
		if (uris.kind == WIRE_LIST &&
		    wire_each(&uris, &at, &key, &uri))
			flow_copy(rec->uri, sizeof(rec->uri), &uri);
	}
	wire_msg_fini(&m);
	buf_fini(&an.text);
}
