/*
 * cmd_connect.c - agentchat connect server: talk, with a person at a terminal
 * or a program at a pipe.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/chat.h"
#include "cli/out.h"
#include "lib/loop.h"

#define GOODBYE_MS	2000
#define CONFIRM_MS	30000	/* what is unconfirmed at the input's end */

static const struct cmd_opt connect_opts[] = {
	{ 'j', "join", "LIST", "join these, a,b or repeated [general]" },
	CMD_OPT_TIMEOUT("give up connecting after so long [10s]"),
	CMD_OPTS_REMOTE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

void
chat_print(struct chat *c, struct buf *b)
{
	int code = b->len > 0 ? tty_print(c->tty, b) : EXIT_OK;

	if (code != EXIT_OK)
		chat_end(c, code);
}

static void
note(struct chat *c, const char *text)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "* ");
	out_text(&b, text, strlen(text));
	buf_addc(&b, '\n');
	chat_print(c, &b);
	buf_fini(&b);
}

void
chat_note(struct chat *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note(c, text);
}

void
chat_refuse(struct chat *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note(c, text);
	if (c->terminal)
		return;
	snprintf(c->refused, sizeof(c->refused), "%.255s", text);
	if (c->code == EXIT_OK)
		c->code = EXIT_REFUSED;
}

void
chat_settle(struct chat *c)
{
	bool hold = c->nsaid == CHAT_PENDING_MAX;

	if (!c->terminal && c->held.len > 0 && c->ready && !c->asked &&
	    c->nsaid == 0) {
		struct buf command = c->held;

		c->held = (struct buf)BUF_INIT;
		chat_typed(c, command.p, command.len);
		buf_fini(&command);
	}
	if (!c->terminal)
		hold |= !c->ready || c->asked || c->held.len > 0;
	if (!c->input_ended)
		tty_pause(c->tty, hold);
	if (c->terminal || !c->input_ended || !c->ready || c->nsaid > 0 ||
	    c->held.len > 0)
		return;
	for (size_t i = 0; i < c->nrooms; i++)
		if (c->rooms[i]->wanted && !c->rooms[i]->in)
			return;
	chat_end(c, EXIT_OK);
}

bool
chat_tell(struct chat *c, struct buf *b)
{
	int rc = buf_err(b);

	if (rc == 0)
		rc = client_send(c->client, b->p, b->len);
	buf_clear(b);
	if (rc < 0 && rc != -ENOTCONN)
		chat_note(c, "not sent: %s", ac_strerror(rc));
	else if (rc < 0 && !c->stopping)
		chat_note(c, "offline");
	return rc == 0;
}

void
chat_end(struct chat *c, int code)
{
	if (c->code == EXIT_OK)
		c->code = code;
	if (c->stopping)
		return;
	c->stopping = true;
	/* Says goodbye; down() ends the loop, or the timer if none answers. */
	loop_timer_set(c->timer, c->ready ? GOODBYE_MS : 0);
	client_close(c->client);
}

/* ------------------------------------------------------------ the session */

static void
on_ready(void *arg, const struct client_info *info)
{
	struct chat *c = arg;
	bool same = strcmp(c->epoch, info->epoch) == 0;

	if (c->input_ended)
		loop_timer_set(c->timer, CONFIRM_MS);
	else
		loop_timer_off(c->timer);
	c->ready = true;
	pace_init(&c->pace, info->rate, info->burst, clock_mono_ms());
	snprintf(c->me, sizeof(c->me), "%s", info->agent_id);
	snprintf(c->epoch, sizeof(c->epoch), "%s", info->epoch);
	chat_note(c, "%s to %s as %s", c->ever_ready ? "back, connected" :
	    "connected", c->cl->server, c->me);
	c->ever_ready = true;
	for (size_t i = 0; i < c->nrooms; i++) {
		/* Another numbering: what we have seen says nothing there. */
		if (!same && c->rooms[i]->seq >= 0)
			c->rooms[i]->seq = 0;
		if (c->rooms[i]->wanted)
			chat_join(c, c->rooms[i]);
	}
	chat_prompt(c);
	chat_pump(c);
	chat_settle(c);
}

static void
on_message(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	struct chat *c = arg;

	(void)text;
	(void)len;
	if (!c->stopping)
		chat_hear(c, m);
}

static void
on_down(void *arg, int rc, const char *why, int64_t retry_ms)
{
	struct chat *c = arg;

	c->ready = c->asked = false;
	for (size_t i = 0; i < c->nrooms; i++)
		c->rooms[i]->in = false;
	if (c->stopping) {
		loop_stop(c->loop);
		return;
	}
	/* The first time, a person would wait for a relay that isn't one. */
	if (!c->ever_ready || retry_ms < 0) {
		c->code = cmd_fail(c->cl->cmd, ac_errword(rc) != NULL ?
		    EXIT_REFUSED : EXIT_TRY_AGAIN, "%s: %s", c->cl->server,
		    why);
		c->stopping = true;
		loop_stop(c->loop);
		return;
	}
	chat_unsent(c);
	chat_note(c, "the connection ended: %s", why);
	chat_prompt(c);
	chat_settle(c);
}

static const struct client_ops session_ops = {
	.ready = on_ready,
	.message = on_message,
	.down = on_down,
};

static void
on_time(void *arg)
{
	struct chat *c = arg;

	if (!c->stopping && !c->ever_ready)
		c->code = cmd_fail(c->cl->cmd, EXIT_TRY_AGAIN,
		    "%s: no answer in time", c->cl->server);
	else if (!c->stopping && c->nsaid > 0)
		c->code = cmd_fail(c->cl->cmd, EXIT_TIMEOUT,
		    "%zu messages are not confirmed", c->nsaid);
	c->stopping = true;
	loop_stop(c->loop);
}

static void
on_pace(void *arg)
{
	chat_pump(arg);
}

/* ---------------------------------------------------------------- the line */

static void
on_line(void *arg, const char *text, size_t len)
{
	struct chat *c = arg;

	if (c->input_ended)
		return;
	if (!c->terminal && c->nsaid > 0 && text[0] == '/')
		buf_add(&c->held, text, len);
	else
		chat_typed(c, text, len);
	chat_settle(c);
}

static void
on_end(void *arg)
{
	struct chat *c = arg;

	c->input_ended = true;
	if (c->terminal)
		chat_end(c, EXIT_OK);
	else if (c->ever_ready)
		loop_timer_set(c->timer, CONFIRM_MS);
	chat_settle(c);
}

static const struct tty_ops typing_ops = {
	.line = on_line,
	.end = on_end,
	.complete = chat_complete,
};

/* ----------------------------------------------------------------------- */

/* The channels named, with or without their sign. An exit code. */
static int
bad_channel(const struct cmd_line *cl, const char *name)
{
	return cmd_usage(cl->cmd, "'%s' is no channel: '#general' is (quote "
	    "the '#' from the shell)", name);
}

static int
want_rooms(struct chat *c, const char *list)
{
	char *copy = strdup(list), *at = copy, *word, name[CHAT_ID_MAX];
	int code = EXIT_OK;

	if (copy == NULL)
		return cmd_fail(c->cl->cmd, EXIT_FAILED, "out of memory");
	while (code == EXIT_OK && (word = strsep(&at, ", ")) != NULL) {
		struct room *r;

		if (*word == '\0')
			continue;
		snprintf(name, sizeof(name), "%s%s", *word == '#' ? "" : "#",
		    word);
		r = wire_channel_ok(name, strlen(name)) ?
		    chat_room_make(c, name) : NULL;
		if (r == NULL)
			code = bad_channel(c->cl, word);
		else
			r->wanted = true;
	}
	free(copy);
	if (code == EXIT_OK && c->nrooms > 0)
		c->now = c->rooms[0];
	return code;
}

static int
converse(struct chat *c)
{
	int rc = loop_new(&c->loop, c->remote.conf.url, c->cl->ca);

	if (rc == 0)
		rc = loop_timer_new(&c->timer, c->loop, on_time, c);
	if (rc == 0)
		rc = loop_timer_new(&c->pacer, c->loop, on_pace, c);
	if (rc == 0)
		rc = client_new(&c->client, c->loop, &c->remote.conf,
		    &session_ops, c);
	if (rc == 0)
		rc = tty_open(&c->tty, c->loop, &typing_ops, c);
	if (rc == 0) {
		loop_timer_set(c->timer, c->cl->timeout_ms >= 0 ?
		    c->cl->timeout_ms : REMOTE_TIMEOUT_MS);
		chat_prompt(c);
		chat_settle(c);
		rc = loop_run(c->loop);
	}
	tty_close(c->tty);
	client_free(c->client);
	loop_timer_free(c->pacer);
	loop_timer_free(c->timer);
	loop_free(c->loop);
	if (rc < 0)
		return cmd_fail(c->cl->cmd, cmd_code(rc), "%s",
		    ac_strerror(rc));
	if (c->refused[0] != '\0')
		cmd_say(c->cl->cmd, "%s", c->refused);
	return c->code;
}

static int
connect_run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_line cl;
	struct chat *c;
	int opt, code = EXIT_OK;

	cmd_line_init(&cl, cmd, argc, argv);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return cmd_fail(cmd, EXIT_FAILED, "out of memory");
	c->cl = &cl;
	while ((opt = cmd_getopt(&cl)) != -1)
		if (opt == 'j' && code == EXIT_OK)
			code = want_rooms(c, cl.arg);
	for (int i = 0; code == EXIT_OK && i < cl.argc; i++)
		code = *cl.argv[i] == '#' ? want_rooms(c, cl.argv[i]) :
		    bad_channel(&cl, cl.argv[i]);
	if (code == EXIT_OK && c->nrooms == 0)
		code = want_rooms(c, "#general");
	c->terminal = tty_is_terminal();
	c->colour = c->terminal && out_has_colour();
	if (cl.name != NULL)
		snprintf(c->my_name, sizeof(c->my_name), "%s", cl.name);
	if (code == EXIT_OK) {
		code = remote_init(&c->remote, &cl, true);
		c->remote.conf.retry = true;
		if (code == EXIT_OK)
			code = converse(c);
		remote_close(&c->remote);
	}
	for (size_t i = 0; i < c->nsaid; i++)
		buf_fini(&c->said[i].text);
	chat_rooms_fini(c);
	buf_fini(&c->held);
	free(c);
	return code;
}

const struct cmd cmd_connect = {
	.name = "connect",
	.args = "server [#channel ...]",
	.summary = "Talk at a terminal, or line by line through a pipe",
	.about = "Each line is said in the current channel; /help lists the "
	    "commands.\nWhere standard input is no terminal it is the same, "
	    "without colours, prompt or\nkeys.",
	.opts = connect_opts,
	.server = CMD_MUST_SERVER,
	.min_args = 0, .max_args = -1,
	.run = connect_run,
};
