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
 * Who is killed leaves an akt that goes on creating. So akt holds the lock
 * too: while it lives nobody asks the chain, and takes its not yet for a no.
 *
 * What akt prints is read strictly: a line that is not such an object makes
 * the run a failure, but the lines after it are still read.
 */
#include "config.h"

#include "deploy/work.h"

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
#include "deploy/internal.h"
#include "spool/spool.h"

#define UP_MS		(INT64_C(15) * 60000)	/* bids 5m, ready 2m, chain */
#define ARGS_MAX	20

void
work_say(const struct work *w, const char *fmt, ...)
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

int64_t
work_patience(const struct work *w, int64_t otherwise)
{
	return w->a->timeout_ms >= 0 ? w->a->timeout_ms : otherwise;
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
		    "here, or an akt that one left behind: wait for it");
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

/* -------------------------------------------------------------------- up */

static void
fill_args(const char *args[ARGS_MAX], char deposit[32], const char *network,
    const char *sdl, const struct deploy_conf *conf)
{
	const char *const all[] = { "--context", network, "deploy", sdl,
	    "--bid-select", "cheapest", "--bid-timeout", DEPLOY_BID_TIMEOUT,
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
			work_say(w, "the record of deployment %" PRIu64
			    " can't be written (%s): note the number",
			    rec->dseq, ac_strerror(f->record_rc));
		return rc;
	}
	/*
	 * Not even a number. A creation that akt says has failed may be one
	 * that it didn't wait for, so that is no answer either.
	 */
	ask_lost(w, rec->network);
	return rc < 0 ? rc : why_say(w->why, -EPROTO, "akt told no dseq");
}

static int
run_up(struct work *w, const struct deploy_conf *conf,
    struct deploy_record *rec, bool doubt)
{
	struct flow f = { .w = w, .workflow = "deploy", .rec = rec,
	    .duration_ms = conf->duration_ms, .doubt = doubt };
	const char *args[ARGS_MAX];
	struct buf sdl = BUF_INIT;
	char deposit[32];
	struct akt_run run = {
		.program = w->program, .args = args, .home = w->home.p,
		.timeout_ms = work_patience(w, UP_MS), .lock = w->lock,
		.out = flow_line, .err = flow_noise, .arg = &f,
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
	rc = settle(&f, flow_judge(&f, FLOW_UP, akt_run(&run)));
	buf_fini(&sdl);
	return rc;
}

/*
 * A deploy that ended without a word, if there was one: what came of it?
 * 0: that is known; 1: it may still come to the chain; or an error.
 */
static int
settle_pending(struct work *w, const char *network)
{
	struct deploy_record old;
	int rc = record_read(w->dir, network, 0, &old);

	if (rc == -ENOENT)
		return 0;
	work_say(w, "an earlier deploy on %s ended without a trace of its "
	    "deployment: asking the chain", network);
	rc = ask_lost(w, network);
	if (rc < 0)
		return why_say(w->why, rc, "an earlier deploy may have left a "
		    "deployment, and the chain can't be asked");
	return record_read(w->dir, network, 0, &old) != -ENOENT;
}

int
deploy_akash_up(const struct deploy_akash *a, const struct deploy_conf *conf,
    struct deploy_record *rec, char why[DEPLOY_WHY_MAX])
{
	struct work w;
	int rc, doubt = 0;

	*rec = (struct deploy_record){ .state = "creating",
	    .created_ms = clock_wall_ms(), .expires_ms = -1,
	    .deposit = deploy_ceiling(conf) };
	snprintf(rec->network, sizeof(rec->network), "%s",
	    deploy_network(conf));
	snprintf(rec->image, sizeof(rec->image), "%s", conf->image);
	rc = work_open(&w, a, why);
	if (rc == 0)
		rc = open_home(&w, rec->network);
	if (rc == 0)
		doubt = settle_pending(&w, rec->network);
	rc = rc == 0 && doubt < 0 ? doubt : rc;
	if (rc == 0)
		rc = write_sdl(&w, conf, rec->network);
	if (rc == 0)
		rc = run_up(&w, conf, rec, doubt > 0);
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

static int
run_close(struct work *w, struct deploy_record *rec)
{
	char dseq[24], state[16];
	const char *const args[] = { "--context", rec->network, "close", dseq,
	    "--yes", "-o", "jsonl", NULL };
	struct flow f = { .w = w, .workflow = "close" };
	const struct akt_run run = {
		.program = w->program, .args = args, .home = w->home.p,
		.timeout_ms = work_patience(w, DEPLOY_ASK_MS),
		.out = flow_line, .err = flow_noise, .arg = &f,
	};
	int rc;

	snprintf(dseq, sizeof(dseq), "%" PRIu64, rec->dseq);
	rc = flow_judge(&f, FLOW_CLOSED, akt_run(&run));
	/* akt fails where it was closed before: the chain has the last word. */
	if (rc < 0 && rc != -EINTR && ask_chain(w, rec, state) == 0 &&
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

/* What the chain and the provider say, onto the record. */
static int
bring_up_to_date(struct work *w, struct deploy_record *rec, const char *state,
    struct buf *detail)
{
	struct deploy_record old = *rec;
	int rc;

	buf_addf(detail, "on the chain: %s", state);
	if (strcmp(state, "closed") == 0)
		return change_state(w, rec, "closed");
	if (strcmp(state, "active") == 0)
		ask_lease(w, rec, detail);
	if (strcmp(old.uri, rec->uri) == 0)
		return 0;
	rc = record_write(w->dir, rec);
	return rc < 0 ? why_say(w->why, rc, "deploy/: %s", ac_strerror(rc)) :
	    0;
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
		rc = ask_chain(&w, rec, state);
		if (rc < 0)
			why_say(why, rc, "akt query deployment %" PRIu64
			    ": %s", dseq, ac_strerror(rc));
	}
	if (rc == 0)
		rc = bring_up_to_date(&w, rec, state, detail);
	work_close(&w);
	return rc;
}

int
deploy_akash_settle(const struct deploy_akash *a, const char *network,
    char why[DEPLOY_WHY_MAX])
{
	struct work w;
	int rc = work_open(&w, a, why);

	if (rc == 0)
		rc = open_home(&w, network);
	if (rc == 0)
		rc = settle_pending(&w, network);
	work_close(&w);
	return rc < 0 ? rc : 0;
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
