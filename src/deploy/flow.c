/*
 * flow.c - what akt tells of its steps, line by line.
 */
#include "config.h"

#include "deploy/work.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "deploy/internal.h"
#include "wire/msg.h"

/* In the order of the bits FLOW_*. */
static const char *const step_names[] = {
	"create-deployment", "create-lease", "send-manifest",
	"close-deployment",
};

uint64_t
flow_dseq(const struct wire_value *v)
{
	unsigned long long n;
	char *end;

	if (v->kind == WIRE_NUM)
		return v->num >= 1 && v->num <= 9e15 &&
		    v->num == (double)(uint64_t)v->num ? (uint64_t)v->num : 0;
	if (v->kind != WIRE_STR || v->len == 0 ||
	    strspn(v->s, "0123456789") != v->len)
		return 0;
	errno = 0;
	n = strtoull(v->s, &end, 10);
	return errno == 0 ? n : 0;
}

void
flow_copy(char *out, size_t max, const struct wire_value *v)
{
	if (v->kind == WIRE_STR && v->len > 0 && v->len < max)
		memcpy(out, v->s, v->len + 1);
}

/* The deployment exists: before anything else, let the disk know. */
static void
record_dseq(struct flow *f, uint64_t dseq)
{
	struct deploy_record *rec = f->rec;
	int rc;

	if (rec->dseq != 0) {
		if (rec->dseq != dseq)
			f->garbage = true;
		return;
	}
	rec->dseq = dseq;
	rec->created_ms = clock_wall_ms();
	rec->expires_ms = rec->created_ms + f->duration_ms;
	rc = record_write(f->w->dir, rec);
	if (rc == 0 && !f->doubt)
		rc = record_forget_pending(f->w->dir, rec->network);
	if (f->record_rc == 0)
		f->record_rc = rc;
	work_say(f->w, "deployment %" PRIu64 " is on the chain", dseq);
}

/* "uris" is {"service":["host", ...]}. */
static void
take_uri(struct flow *f, const struct wire_value *uris)
{
	struct wire_value list, uri;
	const void *at = NULL, *in;
	const char *key;

	while (f->rec->uri[0] == '\0' && wire_each(uris, &at, &key, &list)) {
		in = NULL;
		if (wire_each(&list, &in, &key, &uri))
			flow_copy(f->rec->uri, sizeof(f->rec->uri), &uri);
	}
}

static void
take_outputs(struct flow *f, struct wire_msg *m)
{
	struct wire_value dseq = wire_find(m, "dseq"),
	    provider = wire_find(m, "provider"),
	    out = wire_find(m, "outputs"), uris;

	if (flow_dseq(&dseq) != 0)
		record_dseq(f, flow_dseq(&dseq));
	flow_copy(f->rec->provider, sizeof(f->rec->provider), &provider);
	if (out.kind != WIRE_OBJ || wire_unfold(m, &out) < 0)
		return;
	dseq = wire_member(&out, "dseq");
	if (flow_dseq(&dseq) != 0)
		record_dseq(f, flow_dseq(&dseq));
	provider = wire_member(&out, "provider");
	flow_copy(f->rec->provider, sizeof(f->rec->provider), &provider);
	uris = wire_member(&out, "uris");
	if (uris.kind == WIRE_OBJ)
		take_uri(f, &uris);
}

static void
take_result(struct flow *f, struct wire_msg *m, const char *step,
    const char *result)
{
	struct wire_value errors = wire_find(m, "errors"), text;
	const void *at = NULL;
	const char *key;

	if (strcmp(result, "error") != 0) {
		for (unsigned i = 0; i < AC_COUNTOF(step_names); i++)
			if (strcmp(step, step_names[i]) == 0)
				f->done |= 1u << i;
		work_say(f->w, "%s: %s", step, result);
		return;
	}
	if (f->failed[0] == '\0') {
		snprintf(f->failed, sizeof(f->failed), "%s", step);
		if (errors.kind == WIRE_LIST && wire_unfold(m, &errors) == 0 &&
		    wire_each(&errors, &at, &key, &text) &&
		    text.kind == WIRE_STR)
			snprintf(f->error, sizeof(f->error), "%.255s", text.s);
	}
	work_say(f->w, "%s: failed", step);
}

void
flow_line(void *arg, const char *line, size_t len)
{
	struct flow *f = arg;
	struct wire_value workflow, step, result;
	struct wire_msg m;

	wire_msg_init(&m);
	if (wire_parse_object(&m, line, len) < 0) {
		f->garbage = true;
		goto out;
	}
	workflow = wire_find(&m, "workflow");
	step = wire_find(&m, "step");
	result = wire_find(&m, "result");
	if (f->rec != NULL)
		take_outputs(f, &m);
	if (workflow.kind != WIRE_STR || step.kind != WIRE_STR ||
	    result.kind != WIRE_STR ||
	    strcmp(workflow.s, f->workflow) != 0 ||
	    (strcmp(result.s, "completed") != 0 &&
	    strcmp(result.s, "skipped") != 0 && strcmp(result.s, "error") != 0))
		f->garbage = true;
	else
		take_result(f, &m, step.s, result.s);
out:
	wire_msg_fini(&m);
}

void
flow_noise(void *arg, const char *line, size_t len)
{
	struct flow *f = arg;
	int n = len < sizeof(f->noise) ? (int)len : (int)sizeof(f->noise) - 1;

	snprintf(f->noise, sizeof(f->noise), "%.*s", n, line);
	work_say(f->w, "akt: %s", f->noise);
}

int
flow_judge(const struct flow *f, unsigned wanted, int rc)
{
	char *why = f->w->why;
	const char *error = f->error[0] != '\0' ? f->error : f->noise;

	if (rc == -EINTR)
		return why_say(why, rc, "interrupted");
	if (rc == -ETIMEDOUT)
		return why_say(why, rc, "akt took too long and was stopped");
	if (rc < 0)
		return why_say(why, rc, "akt: %s", ac_strerror(rc));
	if (strcmp(f->failed, "wait-for-bids") == 0)
		return why_say(why, -ETIMEDOUT, "no provider has bid within "
		    DEPLOY_BID_TIMEOUT ": raise max_price, or ask for less");
	if (f->failed[0] != '\0')
		return why_say(why, -EIO, "%s failed: %.256s", f->failed,
		    error);
	if (f->garbage)
		return why_say(why, -EPROTO, "akt said something that is not "
		    "understood (exit %d)", rc);
	if (rc != 0)
		return why_say(why, -EIO, "akt: exit %d%s%.256s", rc,
		    *error != '\0' ? ": " : "", error);
	if ((f->done & wanted) != wanted)
		return why_say(why, -EPROTO, "akt ended well without having "
		    "done everything: its output was cut off");
	return 0;
}
