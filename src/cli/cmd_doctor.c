/*
 * cmd_doctor.c - agentchat doctor: what is wrong with a spool, and the cure.
 *
 * The floors below find and mend (spool/check.h); this prints.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/inst.h"
#include "cli/out.h"
#include "daemon/daemon.h"
#include "relay/relay.h"
#include "spool/check.h"
#include "wire/msg.h"

enum { OPT_REPAIR = OPT_OWN, OPT_SPOOL };

static const struct cmd_opt doctor_opts[] = {
	{ OPT_REPAIR, "repair", NULL,
	    "mend what can be mended, move away the rest" },
	{ OPT_SPOOL, "spool", "DIR", "a relay's files [<root>/relay]" },
	CMD_OPT_JSON,
	CMD_OPT_INSTANCE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

struct doctor {
	struct cmd_line	 cl;
	struct check	 check;
	struct relay_conf relay;
	const char	*spool;		/* being looked at, below the root */
	struct buf	 out;
	unsigned	 looked;	/* at so many spools */
	int		 code;		/* the worst so far */
};

static void
print(void *arg, const struct check_finding *f)
{
	static const char *const kind[] = {
		[CHECK_NOTE] = "note", [CHECK_WRONG] = "wrong",
		[CHECK_MENDED] = "mended"
	};
	struct doctor *d = arg;
	struct buf *b = &d->out;

	if (d->cl.json) {
		buf_addc(b, '{');
		wire_json_text(b, "spool", d->spool);
		wire_json_text(b, "path", f->path);
		wire_json_text(b, "kind", kind[f->kind]);
		wire_json_text(b, "code", f->code);
		wire_json_text(b, "what", f->what);
		wire_json_text(b, "cure", f->cure);
		buf_adds(b, "}\n");
		return;
	}
	buf_addf(b, "%s: ", kind[f->kind]);
	out_text(b, d->spool, strlen(d->spool));
	if (strcmp(f->path, ".") != 0) {
		buf_addc(b, '/');
		out_text(b, f->path, strlen(f->path));
	}
	buf_adds(b, "\n    ");
	out_text(b, f->what, strlen(f->what));
	if (*f->cure != '\0') {
		buf_addc(b, ' ');
		out_text(b, f->cure, strlen(f->cure));
	}
	buf_addc(b, '\n');
}

/* What there is and how it stands: the last line of a spool. */
static void
sum_up(struct doctor *d, const char *const *names, const uint64_t *counts,
    size_t n)
{
	const struct check *c = &d->check;
	struct buf *b = &d->out;

	if (d->cl.json) {
		buf_addc(b, '{');
		wire_json_text(b, "spool", d->spool);
	} else {
		out_text(b, d->spool, strlen(d->spool));
	}
	for (size_t i = 0; i < n; i++)
		if (d->cl.json)
			wire_json_count(b, names[i], counts[i]);
		else
			buf_addf(b, "%s %llu %s", i == 0 ? ":" : ",",
			    (unsigned long long)counts[i], names[i]);
	if (d->cl.json) {
		wire_json_count(b, "wrong", c->wrong);
		wire_json_count(b, "mended", c->mended);
		buf_adds(b, "}\n");
	} else if (c->wrong > 0) {
		buf_addf(b, "; %zu wrong\n", c->wrong);
	} else if (c->mended > 0) {
		buf_addf(b, "; %zu mended, all well now\n", c->mended);
	} else {
		buf_adds(b, "; all well\n");
	}
}

/* After a look that ended with rc. */
static void
finish(struct doctor *d, int rc, const char *const *names,
    const uint64_t *counts, size_t n)
{
	int code = EXIT_OK;

	if (rc >= 0 || rc != -ENOENT)
		d->looked++;
	if (rc == -EBUSY)
		code = cmd_fail(d->cl.cmd, EXIT_TRY_AGAIN, "%s is in use: "
		    "stop it before --repair", d->spool);
	else if (rc < 0 && rc != -ENOENT)
		code = cmd_fail(d->cl.cmd, cmd_code(rc), "%s: %s", d->spool,
		    ac_strerror(rc));
	else if (rc >= 0)
		sum_up(d, names, counts, n);
	if (code == EXIT_OK && d->check.wrong > 0)
		code = EXIT_FAILED;
	if (d->code == EXIT_OK || code == EXIT_TRY_AGAIN)
		d->code = code;
}

static void
begin(struct doctor *d, const char *spool)
{
	d->spool = spool;
	d->check = (struct check){ .fn = print, .arg = d,
	    .repair = d->check.repair };
}

static int
look_instance(struct doctor *d, const char *name)
{
	static const char *const names[] = { "channels and agents", "unread",
	    "read", "to be sent", "sent", "failed", "in quarantine" };
	static const char *const words[] = { "boxes", "unread", "read",
	    "queued", "sent", "failed", "quarantined" };
	char spool[sizeof("daemons/") + DAEMON_NAME_MAX];
	struct daemon_counts n;
	int rc;

	snprintf(spool, sizeof(spool), "daemons/%s", name);
	begin(d, spool);
	rc = daemon_check(d->cl.dir, name, &d->check, &n);
	finish(d, rc, d->cl.json ? words : names, (const uint64_t[]){ n.boxes,
	    n.unread, n.read, n.waiting, n.sent, n.failed, n.quarantined }, 7);
	return rc;
}

static int
look_relay(struct doctor *d)
{
	static const char *const names[] = { "channels", "messages",
	    "records" };
	struct relay_counts n;
	int rc;

	begin(d, d->relay.spool != NULL ? d->relay.spool : "relay");
	rc = relay_check(&d->relay, &d->check, &n);
	finish(d, rc, names, (const uint64_t[]){ n.channels, n.messages,
	    n.records }, 3);
	return rc;
}

static int
one_instance(void *arg, const struct daemon_status *st)
{
	(void)look_instance(arg, st->name);
	return 0;
}

/* The root itself: 0 if what is in it can be looked at. */
static int
look_root(struct doctor *d)
{
	struct check *c = &d->check;
	int fd, dir, rc = spool_root_look(d->cl.dir, &fd);

	if (rc < 0)
		return rc;
	begin(d, "root");
	c->dir = fd;
	rc = check_dir(c, fd, ".", &dir);
	if (rc == 1) {
		close(dir);
		rc = check_file(c, fd, "identity.json", true);
	} else {
		d->looked++;
	}
	close(fd);
	if (c->wrong > 0)
		d->code = EXIT_FAILED;
	return rc == 0 || rc == 1 || rc == -ENOENT ? 0 : rc;
}

static int
look(struct doctor *d)
{
	const char *which = d->cl.argc > 0 ? d->cl.argv[0] : d->cl.instance;
	bool relay = d->cl.argc > 0 && strcmp(which, "relay") == 0;
	int rc = 0;

	if (d->relay.spool != NULL)
		return look_relay(d);
	rc = look_root(d);
	if (rc < 0 || d->looked > 0)
		return rc;
	if (relay)
		return look_relay(d);
	if (which != NULL)
		return look_instance(d, which);
	rc = daemon_list(d->cl.dir, one_instance, d);
	if (rc == 0)
		rc = look_relay(d);
	return rc == -ENOENT && d->looked > 0 ? 0 : rc;
}

static int
doctor_run(const struct cmd *cmd, int argc, char **argv)
{
	struct doctor d = { .out = BUF_INIT };
	int c, rc;

	relay_conf_init(&d.relay);
	cmd_line_init(&d.cl, cmd, argc, argv);
	while ((c = cmd_getopt(&d.cl)) != -1)
		if (c == OPT_REPAIR)
			d.check.repair = true;
		else if (c == OPT_SPOOL)
			d.relay.spool = d.cl.arg;
	d.relay.root = d.cl.dir;
	rc = look(&d);
	c = out_put(&d.out);
	buf_fini(&d.out);
	if (rc == -ENOENT)
		return cmd_fail(cmd, EXIT_NOT_FOUND, "no spool there: "
		    "--dir names the root, an operand the instance");
	if (rc < 0 && d.code == EXIT_OK)
		return cmd_fail(cmd, cmd_code(rc), "%s", ac_strerror(rc));
	return d.code != EXIT_OK ? d.code : c;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.args = "[instance | relay]",
	.summary = "Look for damage in the files, and mend it",
	.with = "deploy",
	.about = "Looks at all instances and the relay's journal, or at the "
	    "one that is named,\nsays what is wrong and what to do. --repair "
	    "makes views anew and moves away what\nis damaged; it never "
	    "deletes a message. Exit 0: all well; 1: something is wrong.",
	.opts = doctor_opts,
	.max_args = 1,
	.run = doctor_run,
};
