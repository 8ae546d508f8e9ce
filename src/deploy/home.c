/*
 * home.c - akt's home of our own: one per network, with the wallet's key.
 *
 * It is made under another name and renamed when all of it is there, so what
 * a crash leaves is never taken for a home. The key lies in akt's "test"
 * keyring, which asks no passphrase: as safe as the directory, which is ours
 * alone, and as the wallet file itself.
 */
#include "config.h"

#include "deploy/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "deploy/akt.h"
#include "spool/spool.h"

#define ADDRESS_FILE	"agentchat-address"	/* there: it is ready */
#define STEP_MS		120000
#define ARGS_MAX	12

/* @ stands for the network. */
static const char *const steps[][ARGS_MAX] = {
	{ "context", "network", "create", "@", "--template", "@", NULL },
	{ "context", "keyring", "create", "agentchat", "test", NULL },
	{ "context", "create", "@", "--network", "@", "--keyring", "agentchat",
	    "--default-account", "agentchat", "--set-current", NULL },
	{ "--context", "@", "context", "keys", "add", "agentchat",
	    "--recover", NULL },
	{ "--context", "@", "context", "keys", "show", "agentchat",
	    "--address", NULL },
};

enum { STEP_KEY = 3, STEP_ADDRESS = 4 };

/* What akt says while it is set up. */
struct heard {
	struct buf	 out;	/* one line */
	char		 last[200]; /* of its standard error */
};

static void
hear_out(void *arg, const char *line, size_t len)
{
	struct heard *h = arg;

	buf_clear(&h->out);
	buf_add(&h->out, line, len);
}

static void
hear_err(void *arg, const char *line, size_t len)
{
	struct heard *h = arg;

	snprintf(h->last, sizeof(h->last), "%.*s",
	    len < sizeof(h->last) ? (int)len : (int)sizeof(h->last) - 1, line);
}

static void
fill_args(const char *args[ARGS_MAX], size_t step, const char *network)
{
	size_t i;

	for (i = 0; steps[step][i] != NULL; i++)
		args[i] = strcmp(steps[step][i], "@") == 0 ? network :
		    steps[step][i];
	args[i] = NULL;
}

void
home_plan(struct buf *b, const char *network)
{
	const char *args[ARGS_MAX];

	for (size_t step = 0; step < AC_COUNTOF(steps); step++) {
		fill_args(args, step, network);
		buf_adds(b, "akt");
		for (size_t i = 0; args[i] != NULL; i++)
			buf_addf(b, " %s", args[i]);
		buf_addf(b, "%s\n", step == STEP_KEY ?
		    "    (the mnemonic goes into its standard input)" : "");
	}
}

static int
run_step(size_t step, const char *program, const char *home,
    const char *network, const struct wallet *w, struct heard *h,
    char why[DEPLOY_WHY_MAX])
{
	const char *args[ARGS_MAX];
	struct akt_run run = {
		.program = program, .args = args, .home = home,
		.timeout_ms = STEP_MS, .arg = h,
	};
	int rc;

	fill_args(args, step, network);
	h->last[0] = '\0';
	buf_clear(&h->out);
	if (step == STEP_KEY) {
		/* What it says now might repeat what it was told. */
		run.input = w->mnemonic;
		run.input_len = strlen(w->mnemonic);
	} else {
		run.out = hear_out;
		run.err = hear_err;
	}
	rc = akt_run(&run);
	if (rc == 0)
		return 0;
	if (rc < 0)
		return why_say(why, rc, "akt %s %s: %s", args[0], args[1],
		    ac_strerror(rc));
	if (step == STEP_KEY)
		return why_say(why, -EACCES, "akt refuses the wallet's "
		    "mnemonic (exit %d)", rc);
	return why_say(why, -EIO, "akt %s %s %s: exit %d%s%s", args[0],
	    args[1], args[2], rc, h->last[0] != '\0' ? ": " : "", h->last);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

static void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int
check_address(const struct heard *h, const struct wallet *w,
    char why[DEPLOY_WHY_MAX])
{
	size_t len = h->out.len;

	while (len > 0 && strchr(" \r\n", h->out.p[len - 1]) != NULL)
		len--;
	if (len == strlen(w->address) &&
	    memcmp(h->out.p, w->address, len) == 0)
		return 0;
	return why_say(why, -EACCES, "the wallet's mnemonic belongs to "
	    "another address than it says");
}

/* In a directory that is not the home yet. */
static int
make_ready(int dir, const char *program, const char *name, const char *path,
    const char *network, const struct wallet *w, char why[DEPLOY_WHY_MAX])
{
	struct heard h = { .out = BUF_INIT };
	int fd = -1, rc = 0;

	for (size_t step = 0; step < AC_COUNTOF(steps) && rc == 0; step++)
		rc = run_step(step, program, path, network, w, &h, why);
	if (rc == 0)
		rc = buf_err(&h.out);
	if (rc == 0)
		rc = check_address(&h, w, why);
	buf_fini(&h.out);
	if (rc < 0)
		return rc;
	rc = spool_subdir(dir, name, false, &fd);
	if (rc == 0)
		rc = spool_replace(fd, ADDRESS_FILE, w->address,
		    strlen(w->address), true);
	if (fd != -1)
		close(fd);
	return rc < 0 ? why_say(why, rc, "%s: %s", name, ac_strerror(rc)) : 0;
}

static int
make_home(int dir, const char *program, const char *name, const char *path,
    const char *network, const struct wallet *w, char why[DEPLOY_WHY_MAX])
{
	struct buf tmp = BUF_INIT;
	char tmp_name[80];
	int rc;

	snprintf(tmp_name, sizeof(tmp_name), "%s.new", name);
	buf_addf(&tmp, "%s.new", path);
	rc = buf_err(&tmp);
	if (rc < 0) {
		buf_fini(&tmp);
		return why_say(why, rc, "out of memory");
	}
	remove_tree(tmp.p);
	if (mkdirat(dir, tmp_name, 0700) == -1)
		rc = why_say(why, -errno, "%s: %s", tmp_name, strerror(errno));
	if (rc == 0)
		rc = make_ready(dir, program, tmp_name, tmp.p, network, w,
		    why);
	/* What stands at the name has no address file: half of something. */
	if (rc == 0)
		remove_tree(path);
	if (rc == 0 && renameat(dir, tmp_name, dir, name) == -1)
		rc = why_say(why, -errno, "%s: %s", name, strerror(errno));
	if (rc < 0)
		remove_tree(tmp.p);
	buf_fini(&tmp);
	return rc;
}

/* The address that a home has the key of; -ENOENT: there is none. */
static int
read_address(int dir, const char *name, struct buf *out)
{
	int fd, rc = spool_subdir(dir, name, false, &fd);

	if (rc < 0)
		return rc;
	rc = spool_slurp(fd, ADDRESS_FILE, 128, out);
	close(fd);
	return rc;
}

int
home_open(const struct deploy_akash *a, int dir, const char *program,
    const char *network, const char *wallet, struct buf *path,
    char why[DEPLOY_WHY_MAX])
{
	struct buf address = BUF_INIT;
	struct wallet w;
	char name[72];
	int rc, have;

	snprintf(name, sizeof(name), "akt-%.63s", network);
	buf_addf(path, "%s/deploy/%s", a->root_path, name);
	have = read_address(dir, name, &address);
	rc = buf_err(path);
	if (rc == 0)
		rc = buf_err(&address);
	if (rc < 0) {
		why_say(why, rc, "out of memory");
	} else if (have < 0 && have != -ENOENT) {
		rc = why_say(why, have, "%s: %s", path->p, ac_strerror(have));
	} else if (*wallet == '\0') {
		rc = have == 0 ? 0 : why_say(why, -ENOENT, "no wallet: name a "
		    "file with --wallet");
	} else {
		rc = wallet_open(&w, wallet, network, why);
		if (rc == 0 && have < 0)
			rc = make_home(dir, program, name, path->p, network,
			    &w, why);
		else if (rc == 0 && strcmp(address.p != NULL ? address.p : "",
		    w.address) != 0)
			rc = why_say(why, -EACCES, "%s has the key of another "
			    "wallet: take another --dir for this one",
			    path->p);
		wallet_close(&w);
	}
	buf_fini(&address);
	return rc;
}
