/*
 * akash.c - the way of a deployment on Akash: up, watched, closed.
 *
 * A deployment costs from the moment that it is on the chain, so its number
 * (dseq) must not get lost, whatever dies when. akt prints one JSON line per
 * step, but only when all steps are over; so:
 *
 *	1 pending	a record without dseq, durable before akt starts
 *	2 akt		creates, waits for bids, leases, sends the manifest
 *	3 record	written durably as soon as a line has the dseq, before
 *			anything else is made of that line; pending goes
 *	4 state		active or failed, when akt has ended
 *
 * If akt ended without telling a dseq and without telling that there is none,
 * or if a pending record is found later (we were killed), the chain is asked
 * which deployments of the account are active. One that has no record gets
 * one, as "found": it may be somebody else's who uses the same account, so
 * it is shown and can be closed, but nothing closes it by itself.
 *
 * What akt prints is read strictly: a line that is not such an object makes
 * the run a failure, but the lines after it are still read.
 */
#include "config.h"

#include "deploy/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "deploy/akt.h"
#include "spool/spool.h"
#include "wire/msg.h"

#define BID_TIMEOUT	"5m"
#define UP_MS		(INT64_C(15) * 60000)	/* bids 5m, ready 2m, chain */
#define ASK_MS		(INT64_C(2) * 60000)
#define ANSWER_MAX	(4 << 20)		/* bytes of a query's answer */
#define ARGS_MAX	20

/* What every operation here has open. */
struct work {
	const struct deploy_akash *a;
	char		*why;
	char		*program;
	int		 dir;		/* deploy/ */
	int		 lock;
	struct buf	 home;		/* AKT_HOME */
};

/* akt's lines, as they come. */
struct flow {
	struct work	*w;
	const char	*workflow;	/* that they must be of */
	struct deploy_record *rec;	/* NULL: only to listen */
	int64_t		 duration_ms;
	unsigned	 done;		/* steps completed or skipped */
	char		 failed[64];	/* the step that failed first */
	char		 error[256];	/* and what it said */
	char		 noise[200];	/* last line of standard error */
	bool		 garbage;
	int		 record_rc;	/* first failure to write the record */
};

static const char *const step_names[] = {
	"create-deployment", "create-lease", "send-manifest",
	"close-deployment",
};

enum {
	DONE_CREATE = 1, DONE_LEASE = 2, DONE_MANIFEST = 4, DONE_CLOSE = 8,
	DONE_UP = DONE_CREATE | DONE_LEASE | DONE_MANIFEST
};

static void AC_PRINTF(2, 3)
say(const struct work *w, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (w->a->say == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	w->a->say(w->a->arg, line);
}

/* ------------------------------------------------------------------ open */

static int
take_lock(struct work *w)
{
	w->lock = openat(w->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK, 0600);
	if (w->lock == -1)
		return why_say(w->why, -errno, "deploy/lock: %s",
		    strerror(errno));
	if (flock(w->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return why_say(w->why, -EBUSY, "another deploy is at work "
		    "here: wait for it");
	return why_say(w->why, -errno, "deploy/lock: %s", strerror(errno));
}

static int
work_open(struct work *w, const struct deploy_akash *a,
    char why[DEPLOY_WHY_MAX])
{
	int rc;

	*w = (struct work){ .a = a, .why = why, .dir = -1, .lock = -1,
	    .home = BUF_INIT };
	w->program = akt_find(a->akt != NULL ? a->akt : "akt");
	if (w->program == NULL)
		return why_say(why, -ENOENT, "akt is not there");
	rc = spool_subdir(a->root, "deploy", true, &w->dir);
	if (rc < 0)
		return why_say(why, rc, "deploy/: %s", ac_strerror(rc));
	return take_lock(w);
}

static void
work_close(struct work *w)
{
	if (w->lock != -1)
		close(w->lock);
	if (w->dir != -1)
		close(w->dir);
	buf_fini(&w->home);
	free(w->program);
}

static int
open_home(struct work *w, const char *network)
{
	return home_open(w->a, w->dir, w->program, network,
	    w->a->wallet != NULL ? w->a->wallet : "", &w->home, w->why);
}

static int64_t
patience(const struct work *w, int64_t otherwise)
{
	return w->a->timeout_ms >= 0 ? w->a->timeout_ms : otherwise;
}

/* ----------------------------------------------------------------- lines */

/* A dseq: digits in a string, or a whole number; 0 if it is none. */
static uint64_t
dseq_of(const struct wire_value *v)
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

static void
copy(char *out, size_t max, const struct wire_value *v)
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
	if (rc == 0)
		rc = record_forget_pending(f->w->dir, rec->network);
	if (f->record_rc == 0)
		f->record_rc = rc;
	say(f->w, "deployment %" PRIu64 " is on the chain", dseq);
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
			copy(f->rec->uri, sizeof(f->rec->uri), &uri);
	}
}

static void
take_outputs(struct flow *f, struct wire_msg *m)
{
	struct wire_value dseq = wire_find(m, "dseq"),
	    provider = wire_find(m, "provider"),
	    out = wire_find(m, "outputs"), uris;

	if (dseq_of(&dseq) != 0)
		record_dseq(f, dseq_of(&dseq));
	copy(f->rec->provider, sizeof(f->rec->provider), &provider);
	if (out.kind != WIRE_OBJ || wire_unfold(m, &out) < 0)
		return;
	dseq = wire_member(&out, "dseq");
	if (dseq_of(&dseq) != 0)
		record_dseq(f, dseq_of(&dseq));
	provider = wire_member(&out, "provider");
	copy(f->rec->provider, sizeof(f->rec->provider), &provider);
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
		say(f->w, "%s: %s", step, result);
		return;
	}
	if (f->failed[0] == '\0') {
		snprintf(f->failed, sizeof(f->failed), "%s", step);
		if (errors.kind == WIRE_LIST && wire_unfold(m, &errors) == 0 &&
		    wire_each(&errors, &at, &key, &text) &&
		    text.kind == WIRE_STR)
			snprintf(f->error, sizeof(f->error), "%.255s", text.s);
	}
	say(f->w, "%s: failed", step);
}

static void
hear_line(void *arg, const char *line, size_t len)
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

static void
hear_noise(void *arg, const char *line, size_t len)
{
	struct flow *f = arg;
	int n = len < sizeof(f->noise) ? (int)len : (int)sizeof(f->noise) - 1;

	snprintf(f->noise, sizeof(f->noise), "%.*s", n, line);
	say(f->w, "akt: %s", f->noise);
}

/* --------------------------------------------------------------- queries */

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
		.timeout_ms = patience(w, ASK_MS), .deaf = true,
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
	say(w, "deployment %" PRIu64 " is active on %s and had no record: "
	    "look at it, close it if it is yours", dseq, network);
	return 1;
}

/*
 * Which deployments are active without a record? Returns how many there were,
 * and then there is no pending record any more; or an error, and it stays.
 */
static int
find_lost(struct work *w, const char *network)
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
		if (dseq_of(&dseq) == 0)
			rc = -EPROTO;
		else
			rc = note_found(w, network, -1, dseq_of(&dseq));
		found += rc > 0;
	}
	wire_msg_fini(&m);
	buf_fini(&an.text);
	if (rc >= 0)
		rc = record_forget_pending(w->dir, network);
	if (rc < 0)
		say(w, "the chain can't be asked for deployments without a "
		    "record (%s): the next deploy does", ac_strerror(rc));
	return rc < 0 ? rc : found;
}

/* -------------------------------------------------------------------- up */

static void
fill_args(const char *args[ARGS_MAX], char deposit[32], const char *network,
    const char *sdl, const struct deploy_conf *conf)
{
	const char *const all[] = { "--context", network, "deploy", sdl,
	    "--bid-select", "cheapest", "--bid-timeout", BID_TIMEOUT,
	    "--deposit", deposit, "--yes", "-o", "jsonl", NULL };

	_Static_assert(AC_COUNTOF(all) <= ARGS_MAX, "room for the arguments");
	snprintf(deposit, 32, "%" PRId64 "uact", deploy_ceiling(conf));
	memcpy(args, all, sizeof(all));
}

static void
sdl_path(struct buf *b, const struct deploy_akash *a, const char *network)
{
	buf_addf(b, "%s/deploy/sdl-%s.yaml", a->root_path, network);
}

void
deploy_akash_plan(struct buf *b, const struct deploy_akash *a,
    const struct deploy_conf *conf)
{
	const char *args[ARGS_MAX], *network = deploy_network(conf);
	struct buf sdl = BUF_INIT;
	char deposit[32];

	buf_addf(b, "AKT_HOME=%s/deploy/akt-%s\n", a->root_path, network);
	home_plan(b, network);
	sdl_path(&sdl, a, network);
	fill_args(args, deposit, network, sdl.p != NULL ? sdl.p : "", conf);
	if (buf_err(&sdl) < 0)
		b->failed = true;
	buf_adds(b, "akt");
	for (size_t i = 0; args[i] != NULL; i++)
		buf_addf(b, " %s", args[i]);
	buf_addc(b, '\n');
	buf_fini(&sdl);
}

int
deploy_akash_find(const struct deploy_akash *a)
{
	char *program = akt_find(a->akt != NULL ? a->akt : "akt");
	int rc = program != NULL ? 0 : -ENOENT;

	free(program);
	return rc;
}

static int
write_sdl(struct work *w, const struct deploy_conf *conf, const char *network)
{
	struct buf b = BUF_INIT;
	char name[80];
	int rc;

	snprintf(name, sizeof(name), "sdl-%.63s.yaml", network);
	deploy_put_sdl(&b, conf);
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(w->dir, name, b.p, b.len, false);
	buf_fini(&b);
	return rc < 0 ? why_say(w->why, rc, "deploy/%s: %s", name,
	    ac_strerror(rc)) : 0;
}

/* What the run came to; rc is akt_run()'s. */
static int
judge(const struct flow *f, unsigned wanted, int rc)
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
		    BID_TIMEOUT ": raise max_price, or ask for less");
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

/* Did akt say that there is no deployment? */
static bool
surely_none(const struct flow *f)
{
	return f->rec->dseq == 0 && !f->garbage &&
	    strcmp(f->failed, "create-deployment") == 0;
}

static int
settle(struct flow *f, int rc)
{
	struct work *w = f->w;
	struct deploy_record *rec = f->rec;
	int wrote;

	if (rec->dseq != 0) {
		snprintf(rec->state, sizeof(rec->state), "%s",
		    rc == 0 ? "active" : "failed");
		wrote = record_write(w->dir, rec);
		if (f->record_rc == 0)
			f->record_rc = wrote;
		if (f->record_rc < 0)
			say(w, "the record of deployment %" PRIu64 " can't be "
			    "written (%s): note the number", rec->dseq,
			    ac_strerror(f->record_rc));
		return rc;
	}
	if (surely_none(f)) {
		wrote = record_forget_pending(w->dir, rec->network);
		return rc < 0 ? rc : wrote;
	}
	/* Not even a number: somebody has to look. */
	find_lost(w, rec->network);
	return rc < 0 ? rc : why_say(w->why, -EPROTO, "akt told no dseq");
}

static int
run_up(struct work *w, const struct deploy_conf *conf,
    struct deploy_record *rec)
{
	struct flow f = { .w = w, .workflow = "deploy", .rec = rec,
	    .duration_ms = conf->duration_ms };
	const char *args[ARGS_MAX];
	struct buf sdl = BUF_INIT;
	char deposit[32];
	struct akt_run run = {
		.program = w->program, .args = args, .home = w->home.p,
		.timeout_ms = patience(w, UP_MS),
		.out = hear_line, .err = hear_noise, .arg = &f,
	};
	int rc;

	sdl_path(&sdl, w->a, rec->network);
	rc = buf_err(&sdl);
	if (rc < 0) {
		buf_fini(&sdl);
		return why_say(w->why, rc, "out of memory");
	}
	fill_args(args, deposit, rec->network, sdl.p, conf);
	rc = record_write(w->dir, rec);
	if (rc < 0) {
		buf_fini(&sdl);
		return why_say(w->why, rc, "deploy/: %s, so nothing was "
		    "started", ac_strerror(rc));
	}
	rc = settle(&f, judge(&f, DONE_UP, akt_run(&run)));
	buf_fini(&sdl);
	return rc;
}

int
deploy_akash_up(const struct deploy_akash *a, const struct deploy_conf *conf,
    struct deploy_record *rec, char why[DEPLOY_WHY_MAX])
{
	struct deploy_record old;
	struct work w;
	int rc;

	*rec = (struct deploy_record){ .state = "creating",
	    .created_ms = clock_wall_ms(), .expires_ms = -1,
	    .deposit = deploy_ceiling(conf) };
	snprintf(rec->network, sizeof(rec->network), "%s",
	    deploy_network(conf));
	snprintf(rec->image, sizeof(rec->image), "%s", conf->image);
	rc = work_open(&w, a, why);
	if (rc == 0)
		rc = open_home(&w, rec->network);
	if (rc == 0 && record_read(w.dir, rec->network, 0, &old) != -ENOENT) {
		say(&w, "an earlier deploy ended without a trace of its "
		    "deployment: asking the chain");
		rc = find_lost(&w, rec->network);
		if (rc < 0)
			why_say(why, rc, "an earlier deploy may have left a "
			    "deployment, and the chain can't be asked");
	}
	if (rc >= 0)
		rc = write_sdl(&w, conf, rec->network);
	if (rc == 0)
		rc = run_up(&w, conf, rec);
	work_close(&w);
	return rc;
}

/* ----------------------------------------------------------------- later */

struct wanted {
	uint64_t	 dseq;
	bool		 found;
	struct deploy_record *rec;
};

/* One that isn't closed is meant rather than one on another network that is. */
static int
match(void *arg, const struct deploy_record *rec)
{
	struct wanted *want = arg;

	if (rec->dseq != want->dseq || (want->found &&
	    strcmp(rec->state, "closed") == 0))
		return 0;
	*want->rec = *rec;
	want->found = true;
	return 0;
}

static int
look_up(struct work *w, uint64_t dseq, struct deploy_record *rec)
{
	struct wanted want = { .dseq = dseq, .rec = rec };
	int rc = dseq != 0 ? record_each(w->dir, match, &want, NULL) : 0;

	if (rc < 0)
		return why_say(w->why, rc, "deploy/: %s", ac_strerror(rc));
	if (!want.found)
		return why_say(w->why, -ENOENT, "no deployment %" PRIu64
		    " is recorded here", dseq);
	return 0;
}

static int
change_state(struct work *w, struct deploy_record *rec, const char *state)
{
	int rc;

	if (strcmp(rec->state, state) == 0)
		return 0;
	snprintf(rec->state, sizeof(rec->state), "%s", state);
	rc = record_write(w->dir, rec);
	return rc < 0 ? why_say(w->why, rc, "deploy/: %s", ac_strerror(rc)) :
	    0;
}

/* What the chain says of it: "active", "closed", ... */
static int
chain_state(struct work *w, const struct deploy_record *rec, char state[16])
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
		copy(state, 16, &d);
	wire_msg_fini(&m);
	buf_fini(&an.text);
	return rc == 0 && state[0] == '\0' ? -EPROTO : rc;
}

/* How many of the relay run, and where: what the provider says, if it does. */
static void
lease_state(struct work *w, struct deploy_record *rec, struct buf *detail)
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
			copy(rec->uri, sizeof(rec->uri), &uri);
	}
	wire_msg_fini(&m);
	buf_fini(&an.text);
}

static int
run_close(struct work *w, struct deploy_record *rec)
{
	char dseq[24], state[16];
	const char *const args[] = { "--context", rec->network, "close", dseq,
	    "--yes", "-o", "jsonl", NULL };
	struct flow f = { .w = w, .workflow = "close" };
	const struct akt_run run = {
		.program = w->program, .args = args, .home = w->home.p,
		.timeout_ms = patience(w, ASK_MS),
		.out = hear_line, .err = hear_noise, .arg = &f,
	};
	int rc;

	snprintf(dseq, sizeof(dseq), "%" PRIu64, rec->dseq);
	rc = judge(&f, DONE_CLOSE, akt_run(&run));
	/* akt fails where it was closed before: the chain has the last word. */
	if (rc < 0 && rc != -EINTR && chain_state(w, rec, state) == 0 &&
	    strcmp(state, "closed") == 0)
		rc = 0;
	return rc == 0 ? change_state(w, rec, "closed") : rc;
}

int
deploy_akash_close(const struct deploy_akash *a, uint64_t dseq,
    char why[DEPLOY_WHY_MAX])
{
	struct deploy_record rec;
	struct work w;
	int rc = work_open(&w, a, why);

	if (rc == 0)
		rc = look_up(&w, dseq, &rec);
	if (rc == 0 && strcmp(rec.state, "closed") != 0) {
		rc = open_home(&w, rec.network);
		if (rc == 0)
			rc = run_close(&w, &rec);
	}
	work_close(&w);
	return rc;
}

int
deploy_akash_status(const struct deploy_akash *a, uint64_t dseq,
    struct deploy_record *rec, struct buf *detail, char why[DEPLOY_WHY_MAX])
{
	char state[16];
	struct work w;
	int rc = work_open(&w, a, why);

	if (rc == 0)
		rc = look_up(&w, dseq, rec);
	if (rc == 0)
		rc = open_home(&w, rec->network);
	if (rc == 0) {
		rc = chain_state(&w, rec, state);
		if (rc < 0)
			why_say(why, rc, "akt query deployment %" PRIu64
			    ": %s", dseq, ac_strerror(rc));
	}
	if (rc == 0) {
		buf_addf(detail, "on the chain: %s", state);
		if (strcmp(state, "active") == 0)
			lease_state(&w, rec, detail);
		if (strcmp(state, "closed") == 0)
			rc = change_state(&w, rec, "closed");
	}
	work_close(&w);
	return rc;
}

int
deploy_akash_each(const struct deploy_akash *a, deploy_record_fn *fn,
    void *arg, size_t *bad)
{
	int dir, rc = spool_subdir(a->root, "deploy", false, &dir);

	if (bad != NULL)
		*bad = 0;
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	rc = record_each(dir, fn, arg, bad);
	close(dir);
	return rc;
}
