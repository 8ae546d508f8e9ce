/*
 * cmd_listen.c - agentchat listen [server] [#channel ...]: what comes, as
 * JSON lines on standard output.
 *
 * With a relay: a session of its own that joins the channels. Without: the
 * instance's ring, followed. A line is out before it is counted as heard: only
 * then is a message of the mailbox acknowledged to the relay.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/eyes.h"
#include "cli/follow.h"
#include "cli/inst.h"
#include "cli/out.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "lib/loop.h"

enum { OPT_REPLAY = OPT_OWN };

#define GOODBYE_MS	2000

static const struct cmd_opt listen_opts[] = {
	{ 'm', "max-messages", "N", "end after so many messages" },
	CMD_OPT_TIMEOUT("end after so long; exit 5 if -m isn't reached"),
	{ OPT_REPLAY, "replay", NULL, "what was said before too" },
	CMD_OPT_INSTANCE,
	CMD_OPTS_REMOTE,
	CMD_OPT_DIR,
	CMD_OPT_END
};

struct listener {
	const struct cmd_line *cl;
	bool		 replay;
	int64_t		 max;		/* messages; 0: no limit */
	int64_t		 heard;		/* of them; presence doesn't count */
	int		 code;		/* how it ended */

	/* with a relay */
	struct loop	*loop;
	struct client	*client;
	struct loop_timer *timer;
	bool		 ready, stopping;
};

/* Time is up: that is well, unless a number of messages was asked for. */
static int
time_up(const struct listener *l)
{
	if (l->max <= 0)
		return EXIT_OK;
	return cmd_fail(l->cl->cmd, EXIT_TIMEOUT, "%" PRId64 " of %" PRId64
	    " messages came in time", l->heard, l->max);
}

/* Print one line; true when it was the last. */
static bool
hear(struct listener *l, enum wire_type type, const char *text, size_t len)
{
	struct buf b = BUF_INIT;

	buf_add(&b, text, len);
	buf_addc(&b, '\n');
	l->code = out_put(&b);
	buf_fini(&b);
	l->heard += show_is_message(type);
	return l->code != EXIT_OK || (l->max > 0 && l->heard >= l->max);
}

/* Is the message for one of the boxes asked for? None asked for: it is. */
static bool
concerns(const struct cmd_line *cl, const struct wire_msg *m)
{
	static const enum wire_field where[] = { WF_TO, WF_CHANNEL, WF_FROM };

	for (int i = 0; i < cl->argc; i++)
		for (size_t k = 0; k < AC_COUNTOF(where); k++) {
			const char *s = wire_str(m, where[k]);

			if (s != NULL && strcmp(s, cl->argv[i]) == 0)
				return true;
		}
	return cl->argc == 0;
}

/* ---------------------------------------------------------- with a relay */

static void
stop(struct listener *l)
{
	if (l->stopping)
		return;
	l->stopping = true;
	/* Says goodbye; down() ends the loop, or the timer if none answers. */
	loop_timer_set(l->timer, GOODBYE_MS);
	client_close(l->client);
}

/* Queue a message to the relay; a session that can't take it is over. */
static void
tell(struct listener *l, struct buf *b)
{
	int rc = buf_err(b);

	if (rc == 0)
		rc = client_send(l->client, b->p, b->len);
	if (rc < 0 && l->code == EXIT_OK) {
		l->code = cmd_fail(l->cl->cmd, cmd_code(rc), "%s",
		    ac_strerror(rc));
		stop(l);
	}
	buf_clear(b);
}

static void
join(struct listener *l, const char *channel)
{
	struct buf b = BUF_INIT;

	wire_begin(&b, WIRE_JOIN);
	wire_puts(&b, WF_CHANNEL, channel);
	wire_end(&b);
	tell(l, &b);
	buf_fini(&b);
}

static void
on_ready(void *arg, const struct client_info *info)
{
	struct listener *l = arg;

	(void)info;
	l->ready = true;
	if (l->cl->timeout_ms < 0)
		loop_timer_off(l->timer);
	for (int i = 0; i < l->cl->argc; i++)
		if (l->cl->argv[i][0] == '#')
			join(l, l->cl->argv[i]);
	if (l->cl->argc == 0)
		join(l, "#general");
}

static void
acknowledge(struct listener *l, const struct wire_msg *m)
{
	struct buf b = BUF_INIT;

	if (remote_make_ack(&b, m, client_info(l->client)))
		tell(l, &b);
	buf_fini(&b);
}

static void
refuse(struct listener *l, const struct wire_msg *m)
{
	const char *code = wire_str(m, WF_CODE);
	const char *message = wire_str(m, WF_MESSAGE);

	l->code = cmd_fail(l->cl->cmd, EXIT_REFUSED, "%s: %s",
	    code != NULL ? code : "refused", message != NULL ? message : "");
	stop(l);
}

/* Answers to our own requests are no news. */
static bool
is_news(enum wire_type type)
{
	switch (type) {
	case WIRE_WELCOME:
	case WIRE_CHALLENGE:
	case WIRE_VERIFIED:
	case WIRE_PING:
	case WIRE_PONG:
	case WIRE_JOINED:
	case WIRE_STORED:
		return false;
	default:
		return true;
	}
}

static void
on_message(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	struct listener *l = arg;
	bool last;

	if (l->stopping)
		return;
	if (m->type == WIRE_ERROR) {
		refuse(l, m);
		return;
	}
	if (!is_news(m->type) || !concerns(l->cl, m) ||
	    (m->f[WF_REPLAY].kind == WIRE_BOOL && m->f[WF_REPLAY].b &&
	    !l->replay))
		return;
	last = hear(l, m->type, text, len);
	if (l->code == EXIT_OK)
		acknowledge(l, m);
	if (last)
		stop(l);
}

static void
on_down(void *arg, int rc, const char *why, int64_t retry_ms)
{
	struct listener *l = arg;

	(void)retry_ms;
	if (!l->stopping && ac_errword(rc) != NULL)
		l->code = cmd_fail(l->cl->cmd, EXIT_REFUSED, "%s", why);
	else if (!l->stopping)
		l->code = cmd_fail(l->cl->cmd, EXIT_TRY_AGAIN, "%s: %s",
		    l->cl->server, why);
	loop_stop(l->loop);
}

static void
on_time(void *arg)
{
	struct listener *l = arg;

	if (l->stopping) {
		loop_stop(l->loop);
	} else if (!l->ready) {
		l->code = cmd_fail(l->cl->cmd, EXIT_TRY_AGAIN,
		    "%s: no answer in time", l->cl->server);
		l->stopping = true;
		loop_stop(l->loop);
	} else {
		l->code = time_up(l);
		stop(l);
	}
}

static const struct client_ops listen_ops = {
	.ready = on_ready,
	.message = on_message,
	.down = on_down,
};

static int
listen_remote(struct listener *l)
{
	struct remote r;
	int rc, code = remote_init(&r, l->cl, false);

	if (code != EXIT_OK) {
		remote_close(&r);
		return code;
	}
	rc = loop_new(&l->loop, r.conf.url, l->cl->ca);
	if (rc == 0)
		rc = loop_timer_new(&l->timer, l->loop, on_time, l);
	if (rc == 0)
		rc = client_new(&l->client, l->loop, &r.conf, &listen_ops, l);
	if (rc == 0) {
		loop_timer_set(l->timer, l->cl->timeout_ms >= 0 ?
		    l->cl->timeout_ms : REMOTE_TIMEOUT_MS);
		rc = loop_run(l->loop);
	}
	if (rc < 0)
		l->code = cmd_fail(l->cl->cmd, cmd_code(rc), "%s",
		    ac_strerror(rc));
	client_free(l->client);
	loop_timer_free(l->timer);
	loop_free(l->loop);
	remote_close(&r);
	return l->code;
}

/* ------------------------------------------------------- from the spool */

static int
on_line(void *arg, const char *line, size_t len)
{
	struct listener *l = arg;
	struct wire_msg m;
	bool last;

	wire_msg_init(&m);
	last = wire_parse_object(&m, line, len) == 0 &&
	    concerns(l->cl, &m) && hear(l, m.type, line, len);
	wire_msg_fini(&m);
	return last ? 1 : 0;
}

static int
follow_spool(struct listener *l, struct inst *in)
{
	int64_t end = l->cl->timeout_ms >= 0 ?
	    clock_mono_ms() + l->cl->timeout_ms : INT64_MAX;
	struct follow *ring = NULL;
	struct eyes *eyes = NULL;
	bool missed = false, told = false;
	int rc;

	rc = follow_open(&ring, spool_dir(in->sp), "inbox.jsonl", l->replay);
	if (rc == 0)
		rc = eyes_open(&eyes, in, SPOOL_HINT_NEW);
	while (rc == 0) {
		rc = follow_read(ring, on_line, l, &missed);
		if (missed && !told)
			cmd_say(l->cl->cmd, "more came than inbox.jsonl "
			    "holds: some lines are missing here");
		told = missed;
		if (rc != 0)
			break;
		if (clock_mono_ms() >= end) {
			l->code = time_up(l);
			break;
		}
		eyes_wait(eyes, end == INT64_MAX ? -1 :
		    end - clock_mono_ms());
	}
	eyes_close(eyes);
	follow_close(ring);
	if (rc < 0)
		return cmd_fail(l->cl->cmd, cmd_code(rc), "%s",
		    ac_strerror(rc));
	return l->code;
}

static int
listen_local(struct listener *l)
{
	struct inst in;
	int code = inst_open(&in, l->cl, true);

	if (code == EXIT_OK)
		code = follow_spool(l, &in);
	inst_close(&in);
	return code;
}

/* ----------------------------------------------------------------------- */

static int
listen_run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_line cl;
	struct listener l = { .cl = &cl };
	int c;

	cmd_line_init(&cl, cmd, argc, argv);
	while ((c = cmd_getopt(&cl)) != -1)
		switch (c) {
		case 'm':
			l.max = cmd_int(&cl, 1, INT_MAX);
			break;
		case OPT_REPLAY:
			l.replay = true;
			break;
		}
	for (int i = 0; i < cl.argc; i++)
		if (!wire_channel_ok(cl.argv[i], strlen(cl.argv[i])) &&
		    !wire_agent_id_ok(cl.argv[i], strlen(cl.argv[i])))
			return cmd_usage(cmd, "'%s' is neither a #channel nor "
			    "an @agent", cl.argv[i]);
	return cl.server != NULL ? listen_remote(&l) : listen_local(&l);
}

const struct cmd cmd_listen = {
	.name = "listen",
	.args = "[server] [#channel | @agent ...]",
	.summary = "Print what comes as JSON lines",
	.about = "With a relay: joins the channels [#general]. Without: "
	    "follows the daemon's\ninbox.jsonl, all of it or what concerns "
	    "the boxes named.",
	.opts = listen_opts,
	.server = CMD_MAY_SERVER,
	.min_args = 0, .max_args = -1,
	.run = listen_run,
};
