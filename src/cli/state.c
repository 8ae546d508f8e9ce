/*
 * state.c - what a daemon is doing.
 */
#include "config.h"

#include "cli/state.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/out.h"
#include "wire/msg.h"

static const char *
fact_str(const struct wire_msg *f, const char *key)
{
	struct wire_value v = wire_find(f, key);

	return v.kind == WIRE_STR ? v.s : "";
}

void
state_row(struct buf *b, const struct daemon_status *st)
{
	struct wire_msg f;

	daemon_status_facts(st, &f);
	out_cell(b, st->name, 16);
	buf_addc(b, ' ');
	out_cell(b, daemon_status_word(st, &f), 10);
	buf_addc(b, ' ');
	if (st->pid > 0)
		buf_addf(b, "%-8ld ", (long)st->pid);
	else
		buf_addf(b, "%-8s ", "-");
	out_cell(b, fact_str(&f, "agent_id"), 18);
	buf_addc(b, ' ');
	out_cell(b, fact_str(&f, "server"), 0);
	buf_addc(b, '\n');
	wire_msg_fini(&f);
}

static void
line(struct buf *b, const char *label, const char *text)
{
	if (*text == '\0')
		return;
	out_cell(b, label, 10);
	out_cell(b, text, 0);
	buf_addc(b, '\n');
}

/* When the state began: an ISO time, or milliseconds since 1970. */
static void
line_since(struct buf *b, const struct wire_msg *f)
{
	struct wire_value v = wire_find(f, "since");
	char iso[CLOCK_ISO_MAX];

	if (v.kind == WIRE_NUM && v.num >= 0 && v.num < 1e15) {
		clock_iso((int64_t)v.num, iso);
		line(b, "since", iso);
	} else if (v.kind == WIRE_STR)
		line(b, "since", v.s);
}

static void
line_counts(struct buf *b, const struct wire_msg *f)
{
	static const char *const keys[] = { "queued", "sent", "failed",
	    "archived", "dropped" };
	struct wire_value failed = wire_find(f, "failed");
	bool any = false;

	for (size_t i = 0; i < AC_COUNTOF(keys); i++) {
		struct wire_value v = wire_find(f, keys[i]);

		if (v.kind != WIRE_NUM)
			continue;
		if (!any)
			out_cell(b, "messages", 10);
		buf_addf(b, "%s%.0f %s", any ? ", " : "", v.num, keys[i]);
		any = true;
	}
	if (any)
		buf_addc(b, '\n');
	if (failed.kind == WIRE_NUM && failed.num > 0)
		line(b, "failed", "failed/*.reason says why");
}

void
state_text(struct buf *b, const struct daemon_status *st)
{
	struct wire_msg f;

	daemon_status_facts(st, &f);
	out_cell(b, "daemon", 10);
	out_cell(b, st->name, 0);
	buf_adds(b, ", ");
	buf_adds(b, daemon_status_word(st, &f));
	if (st->pid > 0)
		buf_addf(b, ", pid %ld", (long)st->pid);
	buf_addc(b, '\n');
	line(b, "relay", fact_str(&f, "server"));
	line(b, "agent", fact_str(&f, "agent_id"));
	line(b, "name", fact_str(&f, "name"));
	if (st->pid != 0) {
		line_since(b, &f);
		line(b, "error", fact_str(&f, "error"));
	}
	line_counts(b, &f);
	wire_msg_fini(&f);
}

/* What is unread, box by box; nothing where there is nothing. */
static int
add_unread(struct buf *b, const struct cmd_line *cl, const char *instance)
{
	struct cmd_line named = *cl;
	struct inst_boxes boxes;
	struct inst in;
	size_t n;
	int rc, code;

	named.instance = instance;
	code = inst_open(&in, &named, false);
	if (code != EXIT_OK) {
		inst_close(&in);
		return code;
	}
	rc = inst_boxes(&in, &boxes);
	for (size_t i = 0; rc == 0 && i < boxes.len; i++) {
		rc = spool_count(boxes.v[i], SPOOL_NEW, &n);
		if (rc < 0 || n == 0)
			continue;
		out_cell(b, "unread", 10);
		buf_addf(b, "%zu in %s\n", n, spool_box_name(boxes.v[i]));
	}
	inst_boxes_fini(&boxes);
	inst_close(&in);
	if (rc < 0)
		return cmd_fail(cl->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	return EXIT_OK;
}

int
state_report(const struct cmd_line *cl, const char *instance)
{
	struct daemon_status st = { .json = BUF_INIT };
	struct buf b = BUF_INIT;
	bool running;
	int rc, code;

	rc = daemon_name_ok(instance) ? daemon_status(cl->dir, instance,
	    &st) : -ENOENT;
	if (rc == -ENOENT)
		return cmd_fail(cl->cmd, EXIT_NOT_FOUND, "no daemon instance "
		    "'%s' here ('agentchat daemon --list' lists them)",
		    instance);
	if (rc < 0)
		return cmd_fail(cl->cmd, cmd_code(rc), "daemon instance "
		    "'%s': %s", instance, ac_strerror(rc));
	running = st.pid != 0;
	if (cl->json) {
		daemon_status_json(&st, &b);
		code = EXIT_OK;
	} else {
		state_text(&b, &st);
		code = add_unread(&b, cl, instance);
	}
	daemon_status_fini(&st);
	if (code == EXIT_OK)
		code = out_put(&b);
	buf_fini(&b);
	return code == EXIT_OK && !running ? EXIT_NOT_FOUND : code;
}
