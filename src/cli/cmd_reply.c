/*
 * cmd_reply.c - agentchat reply ID text: answer a message that is in the
 * spool, where it was said, in its thread.
 *
 * ID is what an agent has at hand: the message's msg_id, the name of its file,
 * a path to that, or the beginning of one of them. Files are looked at first,
 * what only the ring still has after them.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/follow.h"
#include "cli/inst.h"
#include "cli/letter.h"
#include "cli/show.h"
#include "wire/msg.h"

#define ID_MAX	128

static const struct cmd_opt reply_opts[] = {
	CMD_OPTS_LETTER,
	CMD_OPT_TIMEOUT("wait so long for the receipt [30s]"),
	CMD_OPT_JSON,
	CMD_OPT_INSTANCE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

/* The message that is answered. */
struct found {
	char		 id[ID_MAX];	/* its msg_id; "": it has none */
	char		 target[SPOOL_BOX_MAX];
	bool		 encrypted;
};

struct search {
	const char	*id;
	size_t		 len;
	const char	*me;		/* our agent id, "" if not known */
	bool		 exact;		/* found is what id says in full */
	unsigned	 count;		/* different messages that fit */
	struct found	 found;
};

static bool
copy(char *out, size_t size, const char *s)
{
	int n = s != NULL ? snprintf(out, size, "%s", s) : -1;

	return n > 0 && (size_t)n < size;
}

/* What the answer to a message needs; false: it can't be answered. */
static bool
describe(struct found *f, const struct wire_msg *m, const char *me)
{
	const char *from = wire_str(m, WF_FROM), *to = wire_str(m, WF_TO);
	const char *target = from;

	if (!show_is_message(m->type) || from == NULL)
		return false;
	if (to != NULL && (to[0] == '#' || strcmp(from, me) == 0))
		target = to;	/* said in a channel, or by us */
	*f = (struct found){ .encrypted = m->f[WF_ENCRYPTED].b };
	if (!copy(f->target, sizeof(f->target), target))
		return false;
	if (!copy(f->id, sizeof(f->id), wire_str(m, WF_MSG_ID)))
		f->id[0] = '\0';
	return true;
}

/* Does it begin with what is looked for? *exact: and end there. */
static bool
fits(const struct search *s, const char *text, bool *exact)
{
	if (text == NULL || strncmp(text, s->id, s->len) != 0)
		return false;
	*exact |= text[s->len] == '\0';
	return true;
}

/* One message; name: its file's, or NULL. */
static int
look_at(struct search *s, const char *name, const char *msg, size_t len)
{
	struct wire_msg m;
	struct found f;
	bool exact = false, fit;

	wire_msg_init(&m);
	if (wire_parse_object(&m, msg, len) < 0) {
		wire_msg_fini(&m);
		return 0;
	}
	fit = fits(s, name, &exact);
	fit |= fits(s, wire_str(&m, WF_MSG_ID), &exact);
	fit = fit && describe(&f, &m, s->me);
	wire_msg_fini(&m);
	if (!fit || (s->exact && !exact))
		return 0;
	/* The same again: in the ring what was a file, too. */
	if (s->count > 0 && f.id[0] != '\0' &&
	    strcmp(f.id, s->found.id) == 0) {
		s->exact |= exact;
		return 0;
	}
	s->count = exact && !s->exact ? 1 : s->count + 1;
	s->exact |= exact;
	s->found = f;
	return 0;
}

static int
on_file(void *arg, const char *name, const char *msg, size_t len)
{
	while (len > 0 && msg[len - 1] == '\n')
		len--;
	return look_at(arg, name, msg, len);
}

static int
on_line(void *arg, const char *line, size_t len)
{
	return look_at(arg, NULL, line, len);
}

static int
search_ring(struct search *s, struct inst *in)
{
	struct follow *ring = NULL;
	bool missed = false;
	int rc;

	rc = follow_open(&ring, spool_dir(in->sp), "inbox.jsonl", true);
	if (rc == 0)
		rc = follow_read(ring, on_line, s, &missed);
	follow_close(ring);
	return rc;
}

static int
search(struct search *s, struct inst *in)
{
	struct inst_boxes boxes;
	int rc = inst_boxes(in, &boxes);

	for (size_t i = 0; rc == 0 && i < boxes.len; i++) {
		rc = spool_walk(boxes.v[i], SPOOL_NEW, false, 0, on_file, s);
		if (rc == 0)
			rc = spool_walk(boxes.v[i], SPOOL_CUR, false, 0,
			    on_file, s);
	}
	inst_boxes_fini(&boxes);
	if (rc == 0 && s->count == 0)
		rc = search_ring(s, in);
	return rc;
}

/* An exit code, having said why. */
static int
find(const struct cmd_line *cl, struct inst *in, struct found *f)
{
	const char *slash = strrchr(cl->argv[0], '/');
	struct search s = { .id = slash != NULL ? slash + 1 : cl->argv[0] };
	struct inst_view view;
	int rc;

	s.len = strlen(s.id);
	if (s.len == 0)
		return cmd_usage(cl->cmd, "'%s' names no message: a msg_id "
		    "does, or a file in new/ or cur/", cl->argv[0]);
	inst_view(in, &view);
	s.me = view.agent_id;
	rc = search(&s, in);
	if (rc < 0)
		return cmd_fail(cl->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	if (s.count == 0)
		return cmd_fail(cl->cmd, EXIT_NOT_FOUND, "no message '%s' in "
		    "the spool of '%s' ('agentchat read --all --json' shows "
		    "each msg_id)", s.id, in->name);
	if (s.count > 1)
		return cmd_usage(cl->cmd, "'%s' begins %u messages: give more "
		    "of it", s.id, s.count);
	*f = s.found;
	return EXIT_OK;
}

static int
reply_run(const struct cmd *cmd, int argc, char **argv)
{
	struct letter l = { .content = BUF_INIT };
	struct cmd_line cl;
	struct found f;
	struct inst in;
	int c, code;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1) {
		l.no_wait |= c == OPT_NO_WAIT;
		l.encrypt |= c == OPT_ENCRYPT;
	}
	code = inst_open(&in, &cl, true);
	if (code == EXIT_OK)
		code = find(&cl, &in, &f);
	if (code == EXIT_OK) {
		l.target = f.target;
		/* A relay without ids has no threads: it is said all the same. */
		l.reply_to = f.id[0] != '\0' ? f.id : NULL;
		/* What came for our eyes only is not answered for all to see. */
		l.encrypt |= f.encrypted && f.target[0] == '@';
		code = letter_read(cmd, &l, cl.argv[1]);
	}
	if (code == EXIT_OK)
		code = letter_drop(&in, &cl, &l);
	inst_close(&in);
	buf_fini(&l.content);
	return code;
}

const struct cmd cmd_reply = {
	.name = "reply",
	.args = "ID text",
	.summary = "Answer a message, where it was said",
	.with = "send",
	.about = "ID: the msg_id of a message in the spool, the name of its "
	    "file, or the beginning\nof one. '-' as the text reads standard "
	    "input. Encrypted is answered encrypted.",
	.opts = reply_opts,
	.min_args = 2, .max_args = 2,
	.run = reply_run,
};
