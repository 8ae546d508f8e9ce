/*
 * deploy_akash.c - what 'agentchat deploy' does on Akash: ask before money
 * is spent, tell what happens, and never let a dseq go untold.
 */
#include "config.h"

#include "cli/deploy_akash.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/out.h"
#include "spool/spool.h"
#include "wire/msg.h"

static void
say_line(void *arg, const char *line)
{
	const struct akash_line *l = arg;

	cmd_say(l->cl->cmd, "%s", line);
}

/* --dir, $AGENTCHAT_DIR, ./.agentchat: opened, and its path. */
static int
open_root(const struct akash_line *l, bool create, struct deploy_akash *a,
    char **path)
{
	const char *dir = l->cl->dir;
	int rc;

	*a = (struct deploy_akash){ .root = -1, .wallet = l->conf->wallet,
	    .timeout_ms = l->cl->timeout_ms, .say = say_line,
	    .arg = (void *)(uintptr_t)l };
	*path = NULL;
	rc = spool_root(dir, create, &a->root);
	if (rc < 0)
		return rc;
	if (dir == NULL)
		dir = getenv("AGENTCHAT_DIR");
	if (dir == NULL || *dir == '\0')
		dir = ".agentchat";
	*path = realpath(dir, NULL);
	a->root_path = *path;
	return *path != NULL ? 0 : -errno;
}

static void
close_root(struct deploy_akash *a, char *path)
{
	if (a->root != -1)
		close(a->root);
	free(path);
}

static int
no_root(const struct akash_line *l, int rc)
{
	return cmd_fail(l->cl->cmd, cmd_code(rc), "%s: %s",
	    l->cl->dir != NULL ? l->cl->dir : ".agentchat", ac_strerror(rc));
}

/*
 * While akt runs, a signal waits: akt is told, says what it has done, and
 * that goes to disk. release() lets the signal do what it came for.
 */
static void
hold_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, old);
}

static void
release_signals(const sigset_t *old)
{
	sigprocmask(SIG_SETMASK, old, NULL);
}

/* ------------------------------------------------------------------ show */

static void
put_time(struct buf *b, int64_t ms)
{
	char iso[CLOCK_ISO_MAX];

	if (ms < 0) {
		buf_adds(b, "-");
		return;
	}
	clock_iso(ms, iso);
	buf_addf(b, "%.16sZ", iso);
}

static void
put_text(struct buf *b, const char *key, const char *value)
{
	wire_json_key(b, key);
	wire_json_str(b, value, strlen(value));
}

static void
put_json(struct buf *b, const struct deploy_record *rec)
{
	char dseq[24];

	snprintf(dseq, sizeof(dseq), "%" PRIu64, rec->dseq);
	buf_addc(b, '{');
	put_text(b, "dseq", dseq);
	put_text(b, "network", rec->network);
	put_text(b, "state", rec->state);
	put_text(b, "image", rec->image);
	put_text(b, "provider", rec->provider);
	put_text(b, "uri", rec->uri);
	wire_json_key(b, "created");
	wire_json_int(b, rec->created_ms);
	wire_json_key(b, "expires");
	wire_json_int(b, rec->expires_ms);
	wire_json_key(b, "deposit");
	wire_json_int(b, rec->deposit);
	buf_adds(b, "}\n");
}

/* For people; what akt told is foreign text. */
static void
put_record(struct buf *b, const struct deploy_record *rec)
{
	buf_addf(b, "dseq      %" PRIu64 "\nnetwork   %s\nstate     %s\n",
	    rec->dseq, rec->network, rec->state);
	if (rec->provider[0] != '\0') {
		buf_adds(b, "provider  ");
		out_text(b, rec->provider, strlen(rec->provider));
		buf_addc(b, '\n');
	}
	if (rec->uri[0] != '\0') {
		buf_adds(b, "address   ");
		if (strstr(rec->uri, "://") == NULL)
			buf_adds(b, "wss://");
		out_text(b, rec->uri, strlen(rec->uri));
		buf_addc(b, '\n');
	}
	buf_adds(b, "expires   ");
	put_time(b, rec->expires_ms);
	buf_addc(b, '\n');
}

static int
show(const struct akash_line *l, const struct deploy_record *rec,
    const struct buf *detail)
{
	struct buf b = BUF_INIT;
	int code;

	if (l->cl->json)
		put_json(&b, rec);
	else
		put_record(&b, rec);
	if (!l->cl->json && detail != NULL && detail->len > 0) {
		buf_adds(&b, "now       ");
		out_text(&b, detail->p, detail->len);
		buf_addc(&b, '\n');
	}
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

static void
put_cost(struct buf *b, const struct deploy_conf *conf)
{
	int64_t uact = deploy_ceiling(conf);

	buf_addf(b, "%" PRId64 ".%06" PRId64 " ACT are deposited on %s, for "
	    "%" PRId64 " hours, and no more is spent but for fees; what is "
	    "left comes back at the close", uact / 1000000, uact % 1000000,
	    deploy_network(conf), (conf->duration_ms + 3599999) / 3600000);
}

/* -------------------------------------------------------------------- up */

/* The SDL, commented; for who has no akt, or wants to look first. */
static int
print_plan(const struct akash_line *l, bool plan)
{
	struct deploy_akash a;
	struct buf b = BUF_INIT, lines = BUF_INIT;
	int code;

	deploy_put_sdl(&b, l->conf);
	if (plan) {
		a = (struct deploy_akash){ .root = -1,
		    .root_path = l->cl->dir != NULL ? l->cl->dir :
		    ".agentchat" };
		deploy_akash_plan(&lines, &a, l->conf);
		put_cost(&lines, l->conf);
		buf_addc(&lines, '\n');
		for (char *s = lines.p, *nl; s != NULL && *s != '\0';
		    s = nl + 1) {
			nl = strchrnul(s, '\n');
			buf_addf(&b, "# %.*s\n", (int)(nl - s), s);
			if (*nl == '\0')
				break;
		}
	}
	if (buf_err(&lines) < 0)
		b.failed = true;
	code = out_put(&b);
	buf_fini(&lines);
	buf_fini(&b);
	return code;
}

int
akash_dry(const struct akash_line *l)
{
	return print_plan(l, true);
}

static int
no_akt(const struct akash_line *l)
{
	print_plan(l, false);
	return cmd_fail(l->cl->cmd, EXIT_NOT_FOUND, "akt is not there: "
	    "'brew install akash-network/tap/akt', or "
	    "https://github.com/akash-network/akt/releases. The SDL, to be "
	    "deployed in another way, is on standard output");
}

/* A yes on the terminal, or --yes. */
static int
may_spend(const struct akash_line *l)
{
	struct buf cost = BUF_INIT;
	char answer[16] = "";
	int rc;

	put_cost(&cost, l->conf);
	rc = buf_err(&cost);
	if (rc < 0)
		return cmd_fail(l->cl->cmd, cmd_code(rc), "out of memory");
	cmd_say(l->cl->cmd, "%s", cost.p);
	buf_fini(&cost);
	if (l->yes)
		return EXIT_OK;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return cmd_fail(l->cl->cmd, EXIT_USAGE, "this spends money: "
		    "say --yes");
	fprintf(stderr, "Deploy? [y/N] ");
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
		return EXIT_OK;
	return cmd_fail(l->cl->cmd, EXIT_FAILED, "nothing was done");
}

/* Where it failed, and what exists and costs nevertheless. */
static int
failed_up(const struct akash_line *l, const struct deploy_record *rec, int rc,
    const char *why)
{
	cmd_fail(l->cl->cmd, 0, "%s", why);
	if (rec->dseq != 0)
		cmd_say(l->cl->cmd, "deployment %" PRIu64 " exists on %s and "
		    "costs until it is closed: agentchat deploy --close %"
		    PRIu64, rec->dseq, rec->network, rec->dseq);
	return cmd_code(rc);
}

int
akash_up(const struct akash_line *l)
{
	char why[DEPLOY_WHY_MAX] = "";
	struct deploy_record rec;
	struct deploy_akash a = { .root = -1 };
	sigset_t old;
	char *path;
	int rc, code;

	if (deploy_image_floats(l->conf))
		return cmd_fail(l->cl->cmd, EXIT_USAGE, "Akash takes no image "
		    "without a tag or with :latest: '%s'", l->conf->image);
	if (deploy_akash_find(&a) < 0)
		return no_akt(l);
	code = may_spend(l);
	if (code != EXIT_OK)
		return code;
	hold_signals(&old);
	rc = open_root(l, true, &a, &path);
	if (rc < 0) {
		code = no_root(l, rc);
	} else {
		rc = deploy_akash_up(&a, l->conf, &rec, why);
		code = rc < 0 ? failed_up(l, &rec, rc, why) :
		    show(l, &rec, NULL);
	}
	close_root(&a, path);
	release_signals(&old);
	return code;
}

/* ----------------------------------------------------------------- later */

/* Without a root there is no record either. */
static int
no_records(const struct akash_line *l, int rc)
{
	if (rc != -ENOENT)
		return no_root(l, rc);
	return cmd_fail(l->cl->cmd, EXIT_NOT_FOUND, "nothing is recorded in "
	    "%s: is it the right --dir?",
	    l->cl->dir != NULL ? l->cl->dir : ".agentchat");
}

static uint64_t
parse_dseq(const struct akash_line *l, const char *text)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || n == 0 || *end != '\0' ||
	    strspn(text, "0123456789") != strlen(text))
		exit(cmd_usage(l->cl->cmd, "'%s' is no dseq", text));
	return n;
}

static int
close_one(const struct akash_line *l, const struct deploy_akash *a,
    uint64_t dseq)
{
	char why[DEPLOY_WHY_MAX] = "";
	int rc = deploy_akash_close(a, dseq, why);

	if (rc == 0) {
		cmd_say(l->cl->cmd, "deployment %" PRIu64 " is closed", dseq);
		return EXIT_OK;
	}
	cmd_fail(l->cl->cmd, 0, "deployment %" PRIu64 " is not closed: %s",
	    dseq, why);
	if (rc != -ENOENT)
		cmd_say(l->cl->cmd, "it may still cost: try again, "
		    "agentchat deploy --close %" PRIu64, dseq);
	return cmd_code(rc);
}

int
akash_close(const struct akash_line *l, const char *text)
{
	uint64_t dseq = parse_dseq(l, text);
	struct deploy_akash a;
	sigset_t old;
	char *path;
	int rc, code;

	hold_signals(&old);
	rc = open_root(l, false, &a, &path);
	code = rc < 0 ? no_records(l, rc) : close_one(l, &a, dseq);
	close_root(&a, path);
	release_signals(&old);
	return code;
}

int
akash_status(const struct akash_line *l, const char *text)
{
	uint64_t dseq = parse_dseq(l, text);
	char why[DEPLOY_WHY_MAX] = "";
	struct deploy_record rec;
	struct buf detail = BUF_INIT;
	struct deploy_akash a;
	char *path;
	int rc, code;

	rc = open_root(l, false, &a, &path);
	if (rc < 0) {
		code = no_records(l, rc);
	} else {
		rc = deploy_akash_status(&a, dseq, &rec, &detail, why);
		code = rc < 0 ? cmd_fail(l->cl->cmd, cmd_code(rc), "%s", why) :
		    show(l, &rec, &detail);
	}
	buf_fini(&detail);
	close_root(&a, path);
	return code;
}

struct walk {
	const struct akash_line *l;
	const struct deploy_akash *a;
	struct buf	 out;
	int64_t		 now_ms;
	size_t		 over;		/* list: without dseq; reap: and those
					   whose time was */
	int		 code;
};

static int
list_one(void *arg, const struct deploy_record *rec)
{
	struct walk *w = arg;
	char dseq[24] = "(not known)";

	w->over += rec->dseq == 0;
	if (w->l->cl->json) {
		put_json(&w->out, rec);
		return 0;
	}
	if (rec->dseq != 0)
		snprintf(dseq, sizeof(dseq), "%" PRIu64, rec->dseq);
	buf_addf(&w->out, "%-12s %-9s %-9s ", dseq, rec->network, rec->state);
	put_time(&w->out, rec->expires_ms);
	if (rec->expires_ms < 0)
		buf_adds(&w->out, "                ");
	buf_addc(&w->out, ' ');
	out_text(&w->out, rec->uri, strlen(rec->uri));
	buf_addc(&w->out, '\n');
	return 0;
}

static int
bad_records(const struct akash_line *l, size_t bad)
{
	if (bad == 0)
		return EXIT_OK;
	return cmd_fail(l->cl->cmd, EXIT_FAILED, "%zu record%s in deploy/ "
	    "can't be read: look at the files, each names a deployment", bad,
	    bad == 1 ? "" : "s");
}

/* Walk the records; a root that isn't there has none. */
static int
walk(struct walk *w, deploy_record_fn *fn)
{
	struct deploy_akash a;
	size_t bad = 0;
	char *path;
	int rc = open_root(w->l, false, &a, &path);

	w->a = &a;
	if (rc == 0)
		rc = deploy_akash_each(&a, fn, w, &bad);
	close_root(&a, path);
	if (rc < 0 && rc != -ENOENT)
		return no_root(w->l, rc);
	return bad_records(w->l, bad);
}

int
akash_list(const struct akash_line *l)
{
	struct walk w = { .l = l, .out = BUF_INIT };
	int code = walk(&w, list_one), put;

	if (w.over > 0)
		cmd_say(l->cl->cmd, "one without dseq is under way, or was "
		    "killed: then 'agentchat deploy --reap' asks the chain");
	put = w.out.len > 0 || buf_err(&w.out) < 0 ? out_put(&w.out) : EXIT_OK;
	buf_fini(&w.out);
	return put != EXIT_OK ? put : code;
}

static int
reap_one(void *arg, const struct deploy_record *rec)
{
	struct walk *w = arg;
	char why[DEPLOY_WHY_MAX] = "";
	int code, rc;

	if (rec->dseq == 0) {
		w->over++;
		rc = deploy_akash_settle(w->a, rec->network, why);
		code = rc < 0 ? cmd_fail(w->l->cl->cmd, cmd_code(rc), "%s",
		    why) : EXIT_OK;
		if (w->code == EXIT_OK)
			w->code = code;
		return 0;
	}
	/* "found" ones have no end, and may not be ours. */
	if (rec->expires_ms < 0 ||
	    rec->expires_ms > w->now_ms || strcmp(rec->state, "closed") == 0)
		return 0;
	w->over++;
	code = close_one(w->l, w->a, rec->dseq);
	if (w->code == EXIT_OK)
		w->code = code;
	return 0;
}

int
akash_reap(const struct akash_line *l)
{
	struct walk w = { .l = l, .now_ms = clock_wall_ms() };
	sigset_t old;
	int code;

	hold_signals(&old);
	code = walk(&w, reap_one);
	if (w.over == 0 && code == EXIT_OK)
		cmd_say(l->cl->cmd, "nothing to close");
	release_signals(&old);
	return w.code != EXIT_OK ? w.code : code;
}
