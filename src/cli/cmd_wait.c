/*
 * cmd_wait.c - agentchat wait: block until something new comes.
 *
 * It follows the instance's ring from the moment it starts, so that it never
 * returns what was there before, and any number of them can wait at once. It
 * takes nothing: what woke it is still unread.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/eyes.h"
#include "cli/follow.h"
#include "cli/inst.h"
#include "cli/out.h"
#include "cli/show.h"
#include "wire/msg.h"

enum { OPT_FROM = OPT_OWN, OPT_TO, OPT_MENTION, OPT_TYPE, OPT_TIMEOUT_OK };

#define DEFAULT_MS	60000
#define PUBLISH_MS	1000	/* from the ring's line to the file in new/ */

static const struct cmd_opt wait_opts[] = {
	{ OPT_FROM, "from", "AGENT", "only from this @id or name" },
	{ OPT_TO, "to", "BOX", "only in this #channel, or @me for DMs" },
	{ OPT_MENTION, "mention", "TEXT", "only with this in the message" },
	{ OPT_TYPE, "type", "TYPE",
	    "only of this type, any for all [what makes files]" },
	{ 'u', "unread", NULL, "return at once if something is unread" },
	CMD_OPT_TIMEOUT("give up then, exit 5; 0: never [60s]"),
	{ OPT_TIMEOUT_OK, "timeout-ok", NULL, "exit 0 then" },
	CMD_OPT_JSON,
	CMD_OPT_INSTANCE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

struct wanted {
	const char	*from, *to, *mention;	/* NULL: any */
	enum wire_type	 type;		/* WIRE_NONE: what makes files */
	bool		 any_type;
	bool		 unread, timeout_ok;
	char		 me[40];	/* the daemon's agent id */
	struct inst	*in;
	struct buf	 found;		/* the message */
	char		 box[SPOOL_BOX_MAX];	/* and where its file is */
	char		 name[SPOOL_NAME_MAX];
};

static bool
is(const struct wire_msg *m, enum wire_field f, const char *want)
{
	const char *s = wire_str(m, f);

	return s != NULL && strcmp(s, want) == 0;
}

static bool
matches(const struct wanted *w, const struct wire_msg *m)
{
	const char *content = wire_str(m, WF_CONTENT);
	const char *to = w->to;

	if (w->type != WIRE_NONE ? m->type != w->type :
	    !w->any_type && !show_is_message(m->type))
		return false;
	/* What we said ourselves is no news. */
	if (*w->me != '\0' && is(m, WF_FROM, w->me))
		return false;
	if (w->from != NULL && !is(m, WF_FROM, w->from) &&
	    !is(m, WF_FROM_NAME, w->from) && !is(m, WF_AGENT, w->from))
		return false;
	if (to != NULL && strcmp(to, "@me") == 0)
		to = w->me;
	if (to != NULL && !is(m, WF_TO, to) && !is(m, WF_CHANNEL, to) &&
	    !(to[0] == '@' && is(m, WF_FROM, to) && is(m, WF_TO, w->me)))
		return false;
	return w->mention == NULL ||
	    (content != NULL && strcasestr(content, w->mention) != NULL);
}

/* Where the message's file will be: the ring has it a moment earlier. */
static void
note_file(struct wanted *w, const struct wire_msg *m)
{
	const char *from = wire_str(m, WF_FROM), *to = wire_str(m, WF_TO);
	int64_t ts = wire_int(m, WF_TS, -1), seq;

	w->box[0] = w->name[0] = '\0';
	if (from == NULL || to == NULL)
		return;
	if (to[0] != '#')
		to = from;
	if (strlen(to) < sizeof(w->box))
		strcpy(w->box, to);
	seq = wire_int(m, WF_SEQ, -1);
	if (seq < 0)
		seq = wire_int(m, WF_MAILBOX_SEQ, -1);
	if (ts >= 0 && seq >= 0 &&
	    spool_name(w->name, ts, (uint64_t)seq, from) < 0)
		w->name[0] = '\0';
}

static int
look_at(struct wanted *w, const char *line, size_t len)
{
	struct wire_msg m;
	int rc = 0;

	wire_msg_init(&m);
	if (wire_parse_object(&m, line, len) == 0 && matches(w, &m)) {
		note_file(w, &m);
		buf_add(&w->found, line, len);
		rc = buf_err(&w->found);
		rc = rc < 0 ? rc : 1;
	}
	wire_msg_fini(&m);
	return rc;
}

static int
on_line(void *arg, const char *line, size_t len)
{
	return look_at(arg, line, len);
}

static int
on_file(void *arg, const char *name, const char *msg, size_t len)
{
	(void)name;
	while (len > 0 && msg[len - 1] == '\n')
		len--;
	return look_at(arg, msg, len);
}

/* --unread: 1 if something that matches is there already. */
static int
look_at_unread(struct wanted *w)
{
	struct inst_boxes boxes;
	int rc = inst_boxes(w->in, &boxes);

	for (size_t i = 0; rc == 0 && i < boxes.len; i++)
		rc = spool_walk(boxes.v[i], SPOOL_NEW, false, 0, on_file, w);
	inst_boxes_fini(&boxes);
	if (rc == 1)
		w->name[0] = '\0';	/* it is there already */
	return rc;
}

/*
 * Whoever waits will read next: return when the file is there, not only the
 * line. As long as it is still in tmp/ it isn't.
 */
static void
await_file(struct wanted *w, struct eyes *eyes)
{
	int64_t deadline = clock_mono_ms() + PUBLISH_MS, left;
	struct spool_box *box;

	if (w->name[0] == '\0' || w->box[0] == '\0' ||
	    spool_box(w->in->sp, w->box, false, &box) < 0)
		return;
	while ((left = deadline - clock_mono_ms()) > 0 &&
	    faccessat(spool_box_sub(box, SPOOL_TMP), w->name, F_OK,
	    AT_SYMLINK_NOFOLLOW) == 0)
		eyes_wait(eyes, left < 20 ? left : 20);
}

/* 1: found; 0: not in time; or an error. */
static int
wait_for(struct wanted *w, int64_t timeout_ms)
{
	int64_t deadline = clock_mono_ms() + timeout_ms, left;
	struct follow *ring = NULL;
	struct eyes *eyes = NULL;
	bool missed = false;
	int rc;

	rc = follow_open(&ring, spool_dir(w->in->sp), "inbox.jsonl", false);
	if (rc == 0)
		rc = eyes_open(&eyes, w->in, SPOOL_HINT_NEW);
	if (rc == 0 && w->unread)
		rc = look_at_unread(w);
	while (rc == 0) {
		rc = follow_read(ring, on_line, w, &missed);
		if (rc != 0)
			break;
		left = timeout_ms > 0 ? deadline - clock_mono_ms() : -1;
		if (timeout_ms > 0 && left <= 0)
			break;
		eyes_wait(eyes, left);
	}
	if (rc == 1)
		await_file(w, eyes);
	eyes_close(eyes);
	follow_close(ring);
	return rc;
}

static int
report(const struct cmd_line *cl, struct wanted *w, int rc)
{
	struct buf b = BUF_INIT;
	struct wire_msg m;
	int code;

	if (rc < 0)
		return cmd_fail(cl->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	if (rc == 0 && w->timeout_ok)
		return EXIT_OK;
	if (rc == 0)
		return cmd_fail(cl->cmd, EXIT_TIMEOUT, "nothing new came in "
		    "time");
	if (cl->json) {
		buf_add(&b, w->found.p, w->found.len);
		buf_addc(&b, '\n');
	} else {
		wire_msg_init(&m);
		show_message(&b, &m, *w->box != '\0' ? w->box : NULL,
		    w->found.p, w->found.len, out_has_colour());
		wire_msg_fini(&m);
	}
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

/* What --to can be; anything else would never come. */
static bool
is_box(const char *to)
{
	return wire_channel_ok(to, strlen(to)) ||
	    wire_agent_id_ok(to, strlen(to)) || strcmp(to, "@me") == 0;
}

static void
parse(struct cmd_line *cl, struct wanted *w)
{
	int c;

	while ((c = cmd_getopt(cl)) != -1)
		switch (c) {
		case OPT_FROM:
			w->from = cl->arg;
			break;
		case OPT_TO:
			w->to = cl->arg;
			if (!is_box(w->to))
				exit(cmd_usage(cl->cmd, "'%s' is neither a "
				    "#channel, nor an @agent, nor @me",
				    cl->arg));
			break;
		case OPT_MENTION:
			w->mention = cl->arg;
			break;
		case OPT_TYPE:
			w->type = wire_type_find(cl->arg, strlen(cl->arg));
			w->any_type = strcmp(cl->arg, "any") == 0;
			if (w->type == WIRE_NONE && !w->any_type)
				exit(cmd_usage(cl->cmd, "'%s' is no type of "
				    "message: MSG, PROPOSAL, AGENT_JOINED "
				    "are some", cl->arg));
			break;
		case 'u':
			w->unread = true;
			break;
		case OPT_TIMEOUT_OK:
			w->timeout_ok = true;
			break;
		}
}

static int
wait_run(const struct cmd *cmd, int argc, char **argv)
{
	struct wanted w = { .found = BUF_INIT };
	struct inst_view view;
	struct cmd_line cl;
	struct inst in;
	int code;

	cmd_line_init(&cl, cmd, argc, argv);
	parse(&cl, &w);
	code = inst_open(&in, &cl, true);
	if (code == EXIT_OK) {
		inst_view(&in, &view);
		memcpy(w.me, view.agent_id, sizeof(w.me));
		w.in = &in;
		code = report(&cl, &w, wait_for(&w, cl.timeout_ms >= 0 ?
		    cl.timeout_ms : DEFAULT_MS));
	}
	inst_close(&in);
	buf_fini(&w.found);
	return code;
}

const struct cmd cmd_wait = {
	.name = "wait",
	.args = "",
	.summary = "Block until a new message comes, and print it",
	.about = "Takes nothing: 'agentchat read' after it prints and marks "
	    "read. Between reading\nand waiting something may come: use -u.",
	.opts = wait_opts,
	.run = wait_run,
};
