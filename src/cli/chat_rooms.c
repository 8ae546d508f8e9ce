/*
 * chat_rooms.c - who and what there is in a conversation.
 */
#include "config.h"

#include "cli/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/out.h"

#define CONTEXT_LINES	10	/* shown of a room that one comes to */

struct room *
chat_room(struct chat *c, const char *name)
{
	for (size_t i = 0; i < c->nrooms; i++)
		if (strcmp(c->rooms[i]->name, name) == 0)
			return c->rooms[i];
	return NULL;
}

struct room *
chat_room_make(struct chat *c, const char *name)
{
	struct room *r = chat_room(c, name);

	if (r != NULL || c->nrooms == CHAT_ROOMS_MAX ||
	    strlen(name) >= sizeof(r->name))
		return r;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	strcpy(r->name, name);
	r->seq = -1;
	c->rooms[c->nrooms++] = r;
	return r;
}

void
chat_room_drop(struct chat *c, struct room *r)
{
	size_t i = 0;

	while (c->rooms[i] != r)
		i++;
	memmove(&c->rooms[i], &c->rooms[i + 1],
	    (--c->nrooms - i) * sizeof(c->rooms[0]));
	if (c->now == r)
		chat_switch(c, c->nrooms > 0 ? c->rooms[0] : NULL);
	buf_fini(&r->kept);
	free(r);
}

void
chat_rooms_fini(struct chat *c)
{
	for (size_t i = 0; i < c->nrooms; i++) {
		buf_fini(&c->rooms[i]->kept);
		free(c->rooms[i]);
	}
	free(c->nicks);
}

void
chat_switch(struct chat *c, struct room *r)
{
	unsigned unread = r != NULL ? r->unread : 0;

	c->now = r;
	if (r != NULL) {
		r->unread = r->mentions = 0;
		/* Elsewhere than on a terminal all was shown when it came. */
		if (c->terminal && r->kept.len > 0)
			chat_show_kept(c, r, unread > CONTEXT_LINES ? unread :
			    CONTEXT_LINES);
	}
	chat_prompt(c);
}

void
chat_prompt(struct chat *c)
{
	const char *bold = c->colour ? "\1\033[1m\1" : "";
	const char *warm = c->colour ? "\1\033[1;33m\1" : "";
	const char *plain = c->colour ? "\1\033[0m\1" : "";
	struct buf b = BUF_INIT;
	unsigned shown = 0;

	if (!c->terminal)
		return;
	buf_addf(&b, "[%s%s%s", bold, c->now != NULL ? c->now->name : "-",
	    plain);
	if (!c->ready)
		buf_adds(&b, " offline");
	for (size_t i = 0; i < c->nrooms; i++) {
		const struct room *r = c->rooms[i];

		if (r->unread == 0)
			continue;
		if (++shown > 4) {
			buf_adds(&b, " ...");
			break;
		}
		buf_addf(&b, " %s%s:%u%s%s", r->mentions > 0 ? warm : "",
		    r->name, r->unread, r->mentions > 0 ? "!" : "",
		    r->mentions > 0 ? plain : "");
	}
	buf_adds(&b, "] ");
	if (buf_err(&b) == 0)
		tty_prompt(c->tty, b.p);
	buf_fini(&b);
}

/* ----------------------------------------------------------------- agents */

static struct nick *
find_nick(const struct chat *c, const char *id)
{
	for (size_t i = 0; i < c->nnicks; i++)
		if (strcmp(c->nicks[i].id, id) == 0)
			return &c->nicks[i];
	return NULL;
}

const char *
chat_name(const struct chat *c, const char *id)
{
	const struct nick *n = find_nick(c, id);

	return n != NULL ? n->name : "";
}

void
chat_learn(struct chat *c, const char *id, const char *name)
{
	struct nick *n = find_nick(c, id);

	if (n == NULL && strlen(id) < sizeof(n->id) &&
	    c->nnicks < CHAT_NICKS_MAX) {
		if (c->nnicks == c->nicks_cap) {
			size_t cap = c->nicks_cap != 0 ? 2 * c->nicks_cap : 64;
			struct nick *v = reallocarray(c->nicks, cap,
			    sizeof(*v));

			if (v == NULL)
				return;
			c->nicks = v;
			c->nicks_cap = cap;
		}
		n = &c->nicks[c->nnicks++];
		*n = (struct nick){ .name = "" };
		strcpy(n->id, id);
	}
	if (n != NULL && name != NULL)
		snprintf(n->name, sizeof(n->name), "%s", name);
}

const char *
chat_whois(const struct chat *c, const char *who)
{
	const char *id = NULL;

	if (who[0] == '@' || who[0] == '#')
		return who;
	for (size_t i = 0; i < c->nnicks; i++)
		if (strcmp(c->nicks[i].name, who) == 0) {
			if (id != NULL)
				return NULL;
			id = c->nicks[i].id;
		}
	return id;
}

/* The colour follows the id, which is the truth: names can be taken. */
static int
colour_of(const char *id)
{
	static const unsigned char colours[] = { 31, 32, 33, 35, 36, 91, 92,
	    93, 94, 95, 96 };
	uint32_t h = 2166136261u;

	while (*id != '\0')
		h = (h ^ (unsigned char)*id++) * 16777619u;
	return colours[h % sizeof(colours)];
}

void
chat_put_agent(const struct chat *c, struct buf *b, const char *id)
{
	const char *name = chat_name(c, id);

	if (c->colour)
		buf_addf(b, "\033[%dm", colour_of(id));
	out_text(b, id, strlen(id));
	if (*name != '\0') {
		buf_adds(b, " (");
		out_text(b, name, strlen(name));
		buf_addc(b, ')');
	}
	if (c->colour)
		buf_adds(b, "\033[0m");
}

/* ------------------------------------------------------------- completion */

struct candidates {
	const char	*word;
	size_t		 len;
	const char	*first;		/* that fits */
	size_t		 common;	/* its bytes that all that fit begin with */
	unsigned	 count;
};

static void
consider(struct candidates *s, const char *text)
{
	size_t n = 0;

	if (strncmp(text, s->word, s->len) != 0)
		return;
	if (s->count++ == 0) {
		s->first = text;
		s->common = strlen(text);
		return;
	}
	while (n < s->common && text[n] == s->first[n])
		n++;
	s->common = n;
}

void
chat_complete(void *arg, const char *text, size_t len, struct buf *out)
{
	struct chat *c = arg;
	struct candidates s = { .count = 0 };
	size_t at = len;

	while (at > 0 && text[at - 1] != ' ')
		at--;
	s.word = text + at;
	s.len = len - at;
	if (at == 0 && s.len > 0 && text[0] == '/')
		for (size_t i = 0; chat_command(i) != NULL; i++)
			consider(&s, chat_command(i));
	for (size_t i = 0; s.len > 0 && i < c->nrooms; i++)
		consider(&s, c->rooms[i]->name);
	for (size_t i = 0; s.len > 0 && i < c->nnicks; i++) {
		/* A room already, or known by its name: once is enough. */
		if (chat_room(c, c->nicks[i].id) == NULL)
			consider(&s, c->nicks[i].id);
		if (c->nicks[i].name[0] != '\0')
			consider(&s, c->nicks[i].name);
	}
	if (s.count == 0)
		return;
	buf_add(out, s.first + s.len, s.common - s.len);
	if (s.count == 1)
		buf_addc(out, ' ');
}
