/*
 * chat_say.c - what is typed: something to say, or a /command.
 *
 * What is said waits in a line until the relay has confirmed it by its echo.
 * It goes out in order, no faster than the relay takes it, and after a
 * reconnect again: with a key the relay knows what it has, by the message's
 * id; without one, what may have arrived isn't said twice but told.
 */
#include "config.h"

#include "cli/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "lib/loop.h"
#include "wire/msg.h"

#define HISTORY_DEFAULT	20
#define JOIN_ID		"join-"

/* ------------------------------------------------------------ to be let in */

/* An id by which a refusal tells which channel it is about. */
static void
begin_join(struct buf *b, enum wire_type type, const char *channel)
{
	char id[sizeof(JOIN_ID) + CHAT_ID_MAX];

	snprintf(id, sizeof(id), JOIN_ID "%s", channel + 1);
	wire_begin(b, type);
	wire_puts(b, WF_ID, id);
	wire_puts(b, WF_CHANNEL, channel);
}

void
chat_join(struct chat *c, const struct room *r)
{
	struct buf b = BUF_INIT;

	begin_join(&b, WIRE_JOIN, r->name);
	if (r->seq >= 0) {
		wire_put_int(&b, WF_SINCE, r->seq);
		if (c->epoch[0] != '\0')
			wire_puts(&b, WF_EPOCH, c->epoch);
	}
	wire_end(&b);
	chat_tell(c, &b);
	buf_fini(&b);
}

/* Not let in: the room goes, unless something was said there before. */
static bool
join_refused(struct chat *c, const char *re, const char *code,
    const char *why)
{
	char name[CHAT_ID_MAX];
	struct room *r;

	if (re == NULL || strncmp(re, JOIN_ID, strlen(JOIN_ID)) != 0)
		return false;
	snprintf(name, sizeof(name), "#%s", re + strlen(JOIN_ID));
	r = chat_room(c, name);
	if (r == NULL || r->in)
		return false;
	if (strcmp(code, "CHANNEL_NOT_FOUND") == 0)
		chat_refuse(c, "no channel %s: '/create %s' makes it", name,
		    name);
	else
		chat_refuse(c, "not in %s: %s: %s", name, code, why);
	r->wanted = c->asked = false;
	if (r->kept.len == 0)
		chat_room_drop(c, r);
	chat_pump(c);		/* what waited for it is refused in its turn */
	chat_settle(c);
	return true;
}

/* --------------------------------------------------- until it is confirmed */

static void
forget(struct chat *c, size_t i)
{
	buf_fini(&c->said[i].text);
	memmove(&c->said[i], &c->said[i + 1],
	    (--c->nsaid - i) * sizeof(c->said[0]));
	chat_settle(c);
}

/* May it go out? A channel that we are not in yet comes first. */
static bool
may_send(struct chat *c, const struct said *s)
{
	struct room *r = chat_room(c, s->to);

	return s->to[0] != '#' || r == NULL || r->in || !r->wanted;
}

static bool
send_one(struct chat *c, struct said *s)
{
	struct buf b = BUF_INIT;
	int rc = client_make_msg_at(&b, c->remote.ident, s->to, s->text.p,
	    s->text.len, s->id, NULL, s->ts_ms);
	bool sent = rc == 0 && chat_tell(c, &b);

	buf_fini(&b);
	return sent;
}

void
chat_pump(struct chat *c)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; c->ready && !c->stopping && i < c->nsaid; i++) {
		struct said *s = &c->said[i];

		if (s->sent)
			continue;
		if (!may_send(c, s))
			break;
		if (!pace_take(&c->pace, now)) {
			loop_timer_set(c->pacer, pace_wait_ms(&c->pace, now));
			break;
		}
		if (!send_one(c, s))
			break;
		s->sent = true;
		s->sent_ms = now;
	}
}

void
chat_unsent(struct chat *c)
{
	for (size_t i = c->nsaid; i-- > 0;) {
		struct said *s = &c->said[i];

		if (!s->sent)
			continue;
		s->sent = false;
		if (c->remote.ident != NULL)
			continue;
		chat_note(c, "not confirmed, and perhaps lost: %.60s",
		    s->text.p);
		forget(c, i);
	}
}

/* The one that a message of the relay is about: by id, or else by content. */
static size_t
find_said(const struct chat *c, const struct wire_msg *m, enum wire_field f)
{
	const char *id = wire_str(m, f), *text = wire_str(m, WF_CONTENT);

	for (size_t i = 0; i < c->nsaid; i++) {
		const struct said *s = &c->said[i];

		if (id != NULL ? strcmp(s->id, id) == 0 : s->sent &&
		    f == WF_ID && text != NULL && strcmp(s->text.p, text) == 0)
			return i;
	}
	return c->nsaid;
}

bool
chat_confirmed(struct chat *c, const struct wire_msg *m)
{
	const char *from = wire_str(m, WF_FROM);
	size_t i = find_said(c, m, WF_ID);

	if (from == NULL || strcmp(from, c->me) != 0 || i == c->nsaid)
		return false;
	forget(c, i);
	return true;
}

bool
chat_refused(struct chat *c, const struct wire_msg *m)
{
	const char *code = wire_str(m, WF_CODE), *why = wire_str(m, WF_MESSAGE);
	size_t i = find_said(c, m, WF_RE);

	code = code != NULL ? code : "refused";
	why = why != NULL ? why : "";
	if (i == c->nsaid)
		return join_refused(c, wire_str(m, WF_RE), code, why);
	if (strcmp(code, "RATE_LIMITED") == 0) {
		c->said[i].sent = false;
		pace_refused(&c->pace, c->said[i].sent_ms,
		    wire_int(m, WF_RETRY_MS, 0), clock_mono_ms());
		chat_pump(c);
		return true;
	}
	chat_refuse(c, "not sent to %s: %s: %s", c->said[i].to, code, why);
	forget(c, i);
	return true;
}

static void
say(struct chat *c, const char *to, const char *text, size_t len)
{
	struct said *s;

	if (len == 0)
		return;
	if (!wire_utf8_ok(text, len)) {
		chat_refuse(c, "not sent: it is no UTF-8 text");
		return;
	}
	if (c->nsaid == CHAT_PENDING_MAX) {
		chat_note(c, "not sent: too much waits already");
		return;
	}
	s = &c->said[c->nsaid];
	*s = (struct said){ .ts_ms = clock_wall_ms() };
	rnd_name(s->id, CHAT_MSG_ID_LEN);
	strcpy(s->to, to);
	buf_add(&s->text, text, len);
	if (buf_err(&s->text) < 0) {
		buf_fini(&s->text);
		return;
	}
	c->nsaid++;
	if (!c->ready)
		chat_note(c, "offline: it is sent when the relay is back");
	chat_pump(c);
}

/* --------------------------------------------------------------- commands */

static void
ask(struct chat *c, enum wire_type type, const char *channel)
{
	struct buf b = BUF_INIT;

	wire_begin(&b, type);
	if (channel != NULL)
		wire_puts(&b, WF_CHANNEL, channel);
	wire_end(&b);
	chat_tell(c, &b);
	buf_fini(&b);
}

/* The channel named, or the current one; NULL: said what is wrong. */
static const char *
channel_of(struct chat *c, const char *arg)
{
	const char *name = *arg != '\0' ? arg : c->now != NULL ?
	    c->now->name : "";

	if (wire_channel_ok(name, strlen(name)))
		return name;
	chat_note(c, "'%s' is no channel: #general is", name);
	return NULL;
}

static void
do_join(struct chat *c, char *arg)
{
	const char *name = channel_of(c, arg);
	struct room *r = name != NULL ? chat_room_make(c, name) : NULL;

	if (r == NULL)
		return;
	if (!r->in) {
		r->wanted = c->asked = true;
		chat_join(c, r);
	}
	chat_switch(c, r);
}

static void
do_create(struct chat *c, char *arg)
{
	char *how = arg + strcspn(arg, " ");
	struct buf b = BUF_INIT;
	struct room *r;

	while (*how == ' ')
		*how++ = '\0';
	if (*arg == '\0' || channel_of(c, arg) == NULL ||
	    (r = chat_room_make(c, arg)) == NULL)
		return;
	r->wanted = c->asked = true;
	chat_switch(c, r);
	begin_join(&b, WIRE_CREATE_CHANNEL, r->name);
	if (strcmp(how, "private") == 0)
		wire_put_bool(&b, WF_INVITE_ONLY, true);
	wire_end(&b);
	chat_tell(c, &b);
	buf_fini(&b);
}

static void
do_leave(struct chat *c, char *arg)
{
	struct room *r = chat_room(c, *arg != '\0' || c->now == NULL ? arg :
	    c->now->name);

	if (r == NULL)
		chat_note(c, "not in '%s'", arg);
	else if (r->name[0] == '#' && r->in) {
		c->asked = true;
		ask(c, WIRE_LEAVE, r->name);
	} else
		chat_room_drop(c, r);
}

/* The agent or channel that a word means; NULL: said what is wrong. */
static const char *
target_of(struct chat *c, const char *who)
{
	const char *to = chat_whois(c, who);

	if (to != NULL && (wire_channel_ok(to, strlen(to)) ||
	    wire_agent_id_ok(to, strlen(to))) && strlen(to) < CHAT_ID_MAX)
		return to;
	chat_note(c, "'%s' is nobody: @id is, #channel, or a name that only "
	    "one has", who);
	return NULL;
}

static void
do_msg(struct chat *c, char *arg)
{
	char *text = strchr(arg, ' ');
	const char *to;

	if (text == NULL) {
		chat_note(c, "/msg @agent TEXT");
		return;
	}
	*text++ = '\0';
	to = target_of(c, arg);
	if (to != NULL)
		say(c, to, text, strlen(text));
}

static void
do_query(struct chat *c, char *arg)
{
	const char *to = target_of(c, arg);
	struct room *r = to != NULL ? chat_room_make(c, to) : NULL;

	if (r != NULL && r->name[0] == '#' && !r->in)
		do_join(c, arg);
	else if (r != NULL)
		chat_switch(c, r);
}

static void
do_history(struct chat *c, char *arg)
{
	int n = *arg != '\0' ? atoi(arg) : HISTORY_DEFAULT;

	if (c->now != NULL && n > 0)
		chat_show_kept(c, c->now, (unsigned)n);
}

static void
do_who(struct chat *c, char *arg)
{
	const char *name = channel_of(c, arg);

	if (name != NULL)
		ask(c, WIRE_LIST_AGENTS, name);
}

static void
do_list(struct chat *c, char *arg)
{
	(void)arg;
	ask(c, WIRE_LIST_CHANNELS, NULL);
}

static void
do_quit(struct chat *c, char *arg)
{
	(void)arg;
	tty_end(c->tty);
}

static void	do_help(struct chat *, char *);

static const struct command {
	const char	*name, *args, *help;
	void		(*run)(struct chat *, char *arg);
} commands[] = {
	{ "/help", "", "this", do_help },
	{ "/join", "#CHANNEL", "go to a channel", do_join },
	{ "/create", "#CHANNEL [private]", "make one", do_create },
	{ "/leave", "[#CHANNEL]", "leave it", do_leave },
	{ "/to", "#CHANNEL | @AGENT", "what is typed goes there", do_query },
	{ "/msg", "@AGENT TEXT", "say that to one agent", do_msg },
	{ "/who", "[#CHANNEL]", "who is there", do_who },
	{ "/list", "", "all channels", do_list },
	{ "/history", "[N]", "the last N lines of it", do_history },
	{ "/quit", "", "the end; so is ^D", do_quit },
};

const char *
chat_command(size_t n)
{
	return n < AC_COUNTOF(commands) ? commands[n].name : NULL;
}

static void
do_help(struct chat *c, char *arg)
{
	struct buf b = BUF_INIT;

	(void)arg;
	for (size_t i = 0; i < AC_COUNTOF(commands); i++)
		buf_addf(&b, "* %-8s %-19s %s\n", commands[i].name,
		    commands[i].args, commands[i].help);
	buf_adds(&b, "* anything else is said in the current channel; "
	    "//x says /x\n");
	chat_print(c, &b);
	buf_fini(&b);
}

static void
command(struct chat *c, char *line)
{
	char *arg = line + strcspn(line, " ");

	while (*arg == ' ')
		*arg++ = '\0';
	for (size_t i = 0; i < AC_COUNTOF(commands); i++)
		if (strcmp(commands[i].name, line) == 0) {
			commands[i].run(c, arg);
			return;
		}
	chat_note(c, "no command %s: /help lists them", line);
}

void
chat_typed(struct chat *c, const char *text, size_t len)
{
	char *line;

	if (text[0] != '/' || (len > 1 && text[1] == '/')) {
		size_t skip = text[0] == '/';

		if (c->now == NULL)
			chat_note(c, "nowhere yet: /join #CHANNEL");
		else
			say(c, c->now->name, text + skip, len - skip);
		return;
	}
	line = strndup(text, len);
	if (line != NULL)
		command(c, line);
	free(line);
}
