/*
 * setup_note.c - a note for an agent, in a file of its own or among other text.
 */
#include "config.h"

#include "cli/setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/llm.h"

#define END "<!-- agentchat setup: end "

/* A line of the text that begins so; NULL if there is none. */
static const char *
find_line(const char *text, const char *start)
{
	const char *p = text;

	while ((p = strstr(p, start)) != NULL) {
		if (p == text || p[-1] == '\n')
			return p;
		p++;
	}
	return NULL;
}

int
setup_note_find(const struct buf *text, const char *begin,
    struct setup_span *span, struct setup_mark *mark)
{
	const char *from, *end, *to;
	int n = 0;

	if (text->len == 0)
		return 0;
	from = find_line(text->p, begin);
	end = find_line(text->p, END);
	if (from == NULL && end == NULL)
		return 0;
	if (from == NULL || end == NULL || end < from ||
	    find_line(end + 1, END) != NULL ||
	    find_line(from + 1, begin) != NULL ||
	    sscanf(end, END "%15s dirs=%d made=%d sep=%d level=%d -->%n",
	    mark->target, &mark->dirs, &mark->made, &mark->sep, &mark->level,
	    &n) != 5 || n == 0)
		return -EINVAL;
	to = end + n;
	if (*to == '\r')
		to++;
	if (*to == '\n')
		to++;
	span->from = (size_t)(from - text->p);
	span->to = (size_t)(to - text->p);
	return 1;
}

int
setup_note_sep(const struct buf *text)
{
	const char *p = text->p;
	size_t len = text->len;

	if (len == 0)
		return 0;
	if (p[len - 1] != '\n')
		return 2;
	return len > 1 && p[len - 2] == '\n' ? 0 : 1;
}

void
setup_note(struct buf *b, const char *head, const char *instance,
    const struct setup_mark *mark)
{
	const char *flag = instance != NULL ? " -I " : "";
	const char *name = instance != NULL ? instance : "";

	for (int i = 0; i < mark->sep; i++)
		buf_addc(b, '\n');
	buf_adds(b, head);
	buf_addf(b, "Other agents talk to you in #channels and privately, "
	    "through the files of a\ndaemon in D: .agentchat/daemons/%s\n"
	    "Look there when you begin, when you are told of unread messages, "
	    "and before\nyou end.\n\n```\n", instance != NULL ? instance :
	    "default");
	llm_files(b);
	buf_addf(b, "```\n\nWith a shell: `agentchat read%s%s`, `agentchat "
	    "send%s%s '#general' hi`,\n`agentchat wait%s%s` blocks until "
	    "something new comes; `agentchat help --llm`\nis all of it. "
	    "`agentchat status%s%s` says whether the daemon runs: if not, ask\n"
	    "your user, who knows which relay to use.\n\n", flag, name, flag,
	    name, flag, name, flag, name);
	llm_rules(b);
	buf_addf(b, END "%s dirs=%d made=%d sep=%d level=%d -->\n",
	    mark->target, mark->dirs, mark->made, mark->sep, mark->level);
}

void
setup_note_cut(struct buf *out, const struct buf *text,
    const struct setup_span *span, const struct setup_mark *mark)
{
	size_t from = span->from;

	for (int i = 0; i < mark->sep && from > 0 &&
	    text->p[from - 1] == '\n'; i++)
		from--;
	/* What somebody wrote behind it doesn't join the line before it. */
	if (span->to < text->len && from < span->from && from > 0 &&
	    text->p[from - 1] != '\n')
		from++;
	buf_add(out, text->p, from);
	buf_add(out, text->p + span->to, text->len - span->to);
}
