/*
 * cmd_setup.c - agentchat setup claude|codex|generic: teach a coding agent of
 * this project about its messages, and take it back.
 *
 * What is to change is worked out first and shown; nothing is written before
 * somebody has agreed.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/inst.h"
#include "cli/out.h"
#include "cli/setup.h"
#include "daemon/daemon.h"

enum { OPT_YES = OPT_OWN, OPT_DRY_RUN, OPT_REMOVE };

static const struct cmd_opt setup_opts[] = {
	{ 'C', "project", "DIR", "the project's directory [.]" },
	{ 'y', "yes", NULL, "don't ask" },
	{ OPT_DRY_RUN, "dry-run", NULL, "show what would be written" },
	{ OPT_REMOVE, "remove", NULL, "take back what setup did" },
	CMD_OPT_INSTANCE,
	CMD_OPT_END
};

#define SECTION "<!-- agentchat setup: begin"
#define SECTION_HEAD SECTION " (setup writes anew what is in here) -->\n" \
	"## Messages from other agents (agentchat)\n\n"
#define SKILL "---\nname: agentchat\n"
#define SKILL_HEAD SKILL \
	"description: Messages from and to other agents, in channels and " \
	"privately, through files. Use it when there are unread messages, and " \
	"to ask, tell or wait for another agent.\n---\n\n# agentchat\n\n"

static const struct setup_target targets[] = {
	{ "claude", { ".claude", "skills", "agentchat", NULL }, "SKILL.md", 3,
	    SKILL, SKILL_HEAD, "settings.json",
	    "a session that runs has to be started anew" },
	{ "codex", { ".codex", NULL }, "AGENTS.md", 0, SECTION, SECTION_HEAD,
	    "hooks.json", "Codex runs the hook once you trust the project "
	    "and have looked at it with /hooks" },
	{ "generic", { NULL }, "AGENTS.md", 0, SECTION, SECTION_HEAD, NULL,
	    NULL },
};

/* -------------------------------------------------------------------- plan */

static int
bad_hooks(const struct setup *s, int rc, const char *why)
{
	if (rc == -ENOMEM)
		return cmd_fail(s->cmd, EXIT_TRY_AGAIN, "out of memory");
	return cmd_fail(s->cmd, EXIT_FAILED, "%s can't be read as JSON with "
	    "hooks: %s Mend it first; nothing was written", s->hooks.path,
	    why);
}

/* The note that is there: *found, and s->mark says what was done. */
static int
look(struct setup *s, struct setup_span *span, bool *found)
{
	int rc = setup_note_find(&s->note.was, s->t->begin, span, &s->mark);

	*found = rc == 1;
	if (rc < 0)
		return cmd_fail(s->cmd, EXIT_FAILED, "what setup wrote to %s "
		    "isn't whole, or not by setup: take it out by hand",
		    s->note.path);
	if (*found && strcmp(s->mark.target, s->t->name) != 0)
		return cmd_fail(s->cmd, EXIT_FAILED, "%s has the section of "
		    "'%s': first 'agentchat setup %s --remove'", s->note.path,
		    s->mark.target, s->mark.target);
	return EXIT_OK;
}

static int
plan_hooks(struct setup *s)
{
	char command[128], why[SETUP_WHY_MAX] = "";
	int rc;

	if (s->hooks.name == NULL)
		return EXIT_OK;
	snprintf(command, sizeof(command), SETUP_HOOK "%s%s",
	    s->instance != NULL ? " -I " : "",
	    s->instance != NULL ? s->instance : "");
	rc = setup_hooks_add(&s->hooks.is, s->hooks.had ? &s->hooks.was : NULL,
	    command, &s->mark.level, why);
	s->hooks.has = true;
	return rc < 0 ? bad_hooks(s, rc, why) : EXIT_OK;
}

static int
plan_add(struct setup *s)
{
	struct setup_file *f = &s->note;
	struct setup_span span = { 0 };
	bool found;
	int n = setup_missing(s), code = look(s, &span, &found);

	if (code != EXIT_OK)
		return code;
	if (n < 0)
		return setup_fail_file(s, s->t->dirs[0], n);
	if (!found) {
		s->mark = (struct setup_mark){ .made = !f->had,
		    .sep = setup_note_sep(&f->was), .level = SETUP_ENTRY };
		snprintf(s->mark.target, sizeof(s->mark.target), "%s",
		    s->t->name);
		span.from = span.to = f->was.len;
		/* Front matter stands at the top, so a skill is a file. */
		if (f->had && f->depth > 0)
			return cmd_fail(s->cmd, EXIT_FAILED, "%s isn't by "
			    "setup: move it away first", f->path);
	} else {
		for (int i = 0; i < s->mark.sep && span.from > 0 &&
		    f->was.p[span.from - 1] == '\n'; i++)
			span.from--;
	}
	if (n > s->mark.dirs)
		s->mark.dirs = n;
	code = plan_hooks(s);
	buf_add(&f->is, f->was.p, span.from);
	setup_note(&f->is, s->t->head, s->instance, &s->mark);
	buf_add(&f->is, f->was.p + span.to, f->was.len - span.to);
	f->has = true;
	return code;
}

static int
plan_remove(struct setup *s)
{
	char why[SETUP_WHY_MAX] = "";
	struct setup_span span;
	bool found, gone;
	int rc, code = EXIT_OK;

	s->mark = (struct setup_mark){ .level = SETUP_ENTRY };
	/* A skill of somebody's own: nothing to take back there. */
	if (s->note.depth == 0 || strstr(s->note.was.p, "agentchat setup:"))
		code = look(s, &span, &found);
	else
		found = false;
	if (code != EXIT_OK)
		return code;
	if (found) {
		setup_note_cut(&s->note.is, &s->note.was, &span, &s->mark);
		s->note.has = s->note.is.len > 0 || !s->mark.made;
	} else {
		buf_add(&s->note.is, s->note.was.p, s->note.was.len);
	}
	if (s->hooks.name == NULL || !s->hooks.had)
		return EXIT_OK;
	rc = setup_hooks_cut(&s->hooks.is, &s->hooks.was, s->mark.level,
	    &gone, why);
	s->hooks.has = !gone;
	return rc < 0 ? bad_hooks(s, rc, why) : EXIT_OK;
}

/* -------------------------------------------------------------------- show */

static void
show_lines(struct buf *b, const char *sign, const char *from, const char *to)
{
	while (from < to) {
		const char *end = memchr(from, '\n', (size_t)(to - from));

		if (end == NULL)
			end = to;
		buf_adds(b, sign);
		out_text(b, from, (size_t)(end - from));
		buf_addc(b, '\n');
		from = end + 1;
	}
}

/* The lines that differ; those around them are not shown. */
static void
show(struct buf *b, const struct setup_file *f)
{
	const char *was = f->was.p, *is = f->is.p != NULL ? f->is.p : "";
	size_t len = f->was.len, n = f->is.len, head = 0, tail = 0;

	if (!setup_changes(f))
		return;
	if (f->had != f->has)
		buf_addf(b, "%s %s\n", f->has ? "make" : "remove", f->path);
	else
		buf_addf(b, "change %s\n", f->path);
	while (head < len && head < n && was[head] == is[head])
		head++;
	while (head > 0 && was[head - 1] != '\n')
		head--;
	while (tail < len - head && tail < n - head &&
	    was[len - tail - 1] == is[n - tail - 1])
		tail++;
	while (tail > 0 && ((len > tail && was[len - tail - 1] != '\n') ||
	    (n > tail && is[n - tail - 1] != '\n')))
		tail--;
	show_lines(b, "- ", was + head, was + len - tail);
	show_lines(b, "+ ", is + head, is + n - tail);
}

static bool
agreed(void)
{
	char c, first = '\0';

	fputs("Do this? [y/N] ", stderr);
	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		if (first == '\0')
			first = c;
	return first == 'y' || first == 'Y';
}

static int
carry_out(struct setup *s, bool remove, bool yes, bool dry)
{
	struct buf b = BUF_INIT;
	int code;

	if (!setup_changes(&s->note) && !setup_changes(&s->hooks)) {
		cmd_say(s->cmd, "nothing to do");
		return EXIT_OK;
	}
	show(&b, &s->hooks);
	show(&b, &s->note);
	code = out_put(&b);
	buf_fini(&b);
	if (code != EXIT_OK || dry)
		return code;
	if (!yes && !agreed())
		return cmd_fail(s->cmd, EXIT_FAILED, "nothing was written");
	/* What the mark is needed for stays until that is done. */
	if (!remove)
		code = setup_store(s, &s->note);
	if (code == EXIT_OK)
		code = setup_store(s, &s->hooks);
	if (code == EXIT_OK && remove)
		code = setup_store(s, &s->note);
	if (code == EXIT_OK && remove)
		setup_drop_dirs(s);
	if (code == EXIT_OK && !remove && s->t->then != NULL)
		cmd_say(s->cmd, "done; %s", s->t->then);
	return code;
}

static int
work(struct setup *s, bool remove, bool yes, bool dry)
{
	int code = setup_load(s, &s->note, s->t->note, s->t->note_depth);

	if (code == EXIT_OK && s->t->hooks != NULL)
		code = setup_load(s, &s->hooks, s->t->hooks, 1);
	if (code == EXIT_OK)
		code = remove ? plan_remove(s) : plan_add(s);
	/* Never NULL, as above. */
	buf_adds(&s->note.is, "");
	buf_adds(&s->hooks.is, "");
	if (code == EXIT_OK && (buf_err(&s->note.is) < 0 ||
	    buf_err(&s->hooks.is) < 0))
		code = cmd_fail(s->cmd, EXIT_TRY_AGAIN, "out of memory");
	if (code == EXIT_OK)
		code = carry_out(s, remove, yes, dry);
	buf_fini(&s->note.was);
	buf_fini(&s->note.is);
	buf_fini(&s->hooks.was);
	buf_fini(&s->hooks.is);
	return code;
}

static int
setup_run(const struct cmd *cmd, int argc, char **argv)
{
	bool yes = false, dry = false, remove = false;
	struct setup s = { .cmd = cmd };
	const char *project = NULL;
	struct cmd_line cl;
	int c, code;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		switch (c) {
		case 'C':
			project = cl.arg;
			break;
		case 'y':
			yes = true;
			break;
		case OPT_DRY_RUN:
			dry = true;
			break;
		case OPT_REMOVE:
			remove = true;
			break;
		}
	for (size_t i = 0; i < AC_COUNTOF(targets); i++)
		if (strcmp(targets[i].name, cl.argv[0]) == 0)
			s.t = &targets[i];
	if (s.t == NULL)
		return cmd_usage(cmd, "'%s' is none that setup knows: claude, "
		    "codex and generic are", cl.argv[0]);
	s.instance = cl.instance;
	if (s.instance != NULL && !daemon_name_ok(s.instance))
		return cmd_usage(cmd, "'%s' is no instance name: 1 to 32 "
		    "letters, digits, '_' and '-'", s.instance);
	if (project == NULL && cl.dir != NULL)
		return cmd_usage(cmd, "this directory is in a spool: name the "
		    "project's with -C");
	if (!yes && !dry && !isatty(STDIN_FILENO))
		return cmd_usage(cmd, "nobody to ask: --dry-run shows what it "
		    "would do, --yes does it");
	s.project = open(project != NULL ? project : ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.project == -1)
		return cmd_fail(cmd, cmd_code(-errno), "%s: %s", project !=
		    NULL ? project : ".", strerror(errno));
	code = work(&s, remove, yes, dry);
	close(s.project);
	return code;
}

const struct cmd cmd_setup = {
	.name = "setup",
	.args = "claude|codex|generic",
	.summary = "Teach a coding agent of this project about its messages",
	.about = "Writes a short text, and where there are hooks one that "
	    "tells the agent\nof unread messages. Shows it and asks first.",
	.opts = setup_opts,
	.min_args = 1, .max_args = 1,
	.run = setup_run,
};
