/*
 * agentchat.c - the public session: its life, and its events.
 *
 * Everything that comes and is no answer that is waited for goes through a
 * queue, READY and DOWN too, so that whoever takes from it sees one order. The
 * loop's descriptor is kept readable while something is in it: somebody who
 * waits for the descriptor alone then misses nothing that came in while a
 * request was waited for.
 */
#include "config.h"

#include "lib/agentchat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "lib/client.h"
#include "lib/identity.h"
#include "lib/loop.h"
#include "lib/object.h"
#include "lib/session_int.h"
#include "wire/msg.h"

#define PAUSE_AT	(1 << 20)	/* bytes of events that wait */
#define GO_ON_AT	(PAUSE_AT / 2)
#define ASKING_MAX	(64 << 20)	/* while an answer is waited for */
#define DROP_AT		(64 << 10)	/* taken bytes that are worth moving */

/* The codes of the header are those of base/err.h. */
#define SAME_(w, t) _Static_assert((int)AGENTCHAT_##w == (int)AC_E_##w, #w);
AC_REFUSALS(SAME_)
#undef SAME_

const char *
agentchat_version(void)
{
	return PACKAGE_VERSION;
}

const char *
agentchat_strerror(int rc)
{
	return ac_strerror(rc);
}

const char *
agentchat_errword(int rc)
{
	return ac_errword(rc);
}

int
session_fail(struct agentchat *ac, int rc, const char *why)
{
	free(ac->why);
	ac->why = strdup(why);
	return rc;
}

/* ------------------------------------------------------------- the queue */

static size_t
queued(const struct agentchat *ac)
{
	return ac->queue.len - ac->at;
}

/* Read on or not, by what waits and by whether an answer is needed. */
static void
set_pause(struct agentchat *ac)
{
	struct client *c = ac->call != NULL ? call_client(ac->call) : NULL;
	bool pause = !ac->asking && queued(ac) > (ac->paused ? GO_ON_AT :
	    PAUSE_AT);

	if (c == NULL || !client_is_ready(c))
		pause = false;
	if (c != NULL && pause != ac->paused)
		client_pause(c, pause);
	ac->paused = pause;
}

static void
push(struct agentchat *ac, const char *text, size_t len)
{
	struct client *c = call_client(ac->call);
	size_t before = ac->queue.len;

	buf_add(&ac->queue, text, len);
	buf_addc(&ac->queue, '\n');
	if (buf_err(&ac->queue) < 0) {
		ac->queue.len = before;
		ac->queue.failed = false;
		if (c != NULL)
			client_reset(c, -ENOMEM, "Out of memory.");
		return;
	}
	if (queued(ac) > ASKING_MAX && c != NULL)
		client_reset(c, -ENOBUFS, "Events come and are not taken.");
	set_pause(ac);
	if (ac->waiting)
		loop_stop(call_loop(ac->call));
}

static void
push_buf(struct agentchat *ac, const struct buf *b)
{
	if (buf_err(b) == 0)
		push(ac, b->p, b->len);
}

static void
on_ready(void *arg, const struct client_info *i)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "{\"type\":\"READY\",\"agent_id\":");
	wire_json_str(&b, i->agent_id, strlen(i->agent_id));
	wire_json_key(&b, "server");
	wire_json_str(&b, i->server, strlen(i->server));
	buf_addf(&b, ",\"verified\":%s", i->verified ? "true" : "false");
	wire_json_key(&b, "rate");
	wire_json_num(&b, i->rate);
	wire_json_key(&b, "burst");
	wire_json_num(&b, i->burst);
	wire_json_key(&b, "content_max");
	wire_json_int(&b, i->content_max);
	buf_addc(&b, '}');
	push_buf(arg, &b);
	buf_fini(&b);
}

static void
on_message(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	(void)m;
	push(arg, text, len);
}

static void
on_down(void *arg, int rc, const char *why, int64_t retry_ms)
{
	struct agentchat *ac = arg;
	struct buf b = BUF_INIT;

	ac->paused = false;
	ac->ack = -1;		/* the next session has it anew */
	ac->over = retry_ms < 0;
	session_fail(ac, rc, why);
	buf_adds(&b, "{\"type\":\"DOWN\"");
	wire_json_key(&b, "code");
	wire_json_int(&b, rc);
	wire_json_key(&b, "message");
	wire_json_str(&b, why, strlen(why));
	wire_json_key(&b, "retry_ms");
	wire_json_int(&b, retry_ms);
	buf_addc(&b, '}');
	push_buf(ac, &b);
	buf_fini(&b);
	if (ac->waiting)
		loop_stop(call_loop(ac->call));
}

static const struct client_ops session_ops = {
	.ready = on_ready,
	.message = on_message,
	.down = on_down,
};

/* Of each call, the end: what is due is done, and the descriptor is right. */
static int
turn(struct agentchat *ac)
{
	int rc;

	set_pause(ac);
	rc = loop_turn(call_loop(ac->call));
	if (queued(ac) > 0)
		loop_nudge(call_loop(ac->call));
	return rc;
}

/* --------------------------------------------------------------- its life */

int
agentchat_new(struct agentchat **out, const char *url)
{
	struct agentchat *ac;

	if (client_url_ok(url) < 0)
		return -EINVAL;
	ac = calloc(1, sizeof(*ac));
	if (ac == NULL)
		return -ENOMEM;
	ac->ack = -1;
	ac->url = strdup(url);
	if (ac->url == NULL) {
		agentchat_free(ac);
		return -ENOMEM;
	}
	*out = ac;
	return 0;
}

void
agentchat_free(struct agentchat *ac)
{
	if (ac == NULL)
		return;
	loop_timer_free(ac->timer);
	call_drop(ac->call);
	buf_fini(&ac->queue);
	buf_fini(&ac->out);
	free(ac->url);
	free(ac->name);
	free(ac->ca_file);
	free(ac->why);
	free(ac);
}

static int
set(struct agentchat *ac, char **member, const char *value)
{
	char *copy;

	if (ac->call != NULL)
		return -EISCONN;
	copy = strdup(value);
	if (copy == NULL)
		return -ENOMEM;
	free(*member);
	*member = copy;
	return 0;
}

int
agentchat_set_name(struct agentchat *ac, const char *name)
{
	if (!wire_agent_name_ok(name, strlen(name)))
		return AC_E_INVALID_NAME;
	return set(ac, &ac->name, name);
}

int
agentchat_set_ca_file(struct agentchat *ac, const char *path)
{
	return set(ac, &ac->ca_file, path);
}

int
agentchat_set_identity(struct agentchat *ac,
    const struct agentchat_identity *identity)
{
	if (ac->call != NULL)
		return -EISCONN;
	ac->identity = identity;
	return 0;
}

int
agentchat_set_reconnect(struct agentchat *ac, int reconnect)
{
	if (ac->call != NULL)
		return -EISCONN;
	ac->reconnect = reconnect != 0;
	return 0;
}

static void
on_time(void *arg)
{
	struct agentchat *ac = arg;

	if (ac->waiting)
		loop_stop(call_loop(ac->call));
}

int
agentchat_connect(struct agentchat *ac, int timeout_ms)
{
	struct client_conf conf = { .url = ac->url, .name = ac->name,
	    .retry = ac->reconnect };
	int rc;

	if (ac->call != NULL)
		return -EISCONN;
	if (ac->identity != NULL)
		conf.ident = identity_ident(ac->identity);
	rc = call_start(&ac->call, &conf, ac->ca_file, &session_ops, ac);
	if (rc == 0)
		rc = loop_timer_new(&ac->timer, call_loop(ac->call), on_time,
		    ac);
	if (rc == 0)
		rc = loop_fd(call_loop(ac->call), &ac->fd);
	if (rc < 0) {
		loop_timer_free(ac->timer);
		ac->timer = NULL;
		call_drop(ac->call);
		ac->call = NULL;
		return session_fail(ac, rc, rc == -EINVAL ?
		    "The file of authorities can't be used." :
		    ac_strerror(rc));
	}
	if (timeout_ms != 0) {
		rc = call_ready(ac->call, timeout_ms);
		if (rc < 0)
			session_fail(ac, rc, call_why(ac->call));
	}
	(void)turn(ac);
	return rc;
}

static void
acknowledge(struct agentchat *ac)
{
	int64_t seq = ac->ack;
	int rc;

	ac->ack = -1;
	if (seq < 0 || ac->call == NULL || !call_info(ac->call)->caps_ack)
		return;
	buf_clear(&ac->out);
	wire_begin(&ac->out, WIRE_ACK);
	wire_put_int(&ac->out, WF_MAILBOX_SEQ, seq);
	wire_end(&ac->out);
	rc = buf_err(&ac->out);
	if (rc == 0)
		rc = call_send(ac->call, ac->out.p, ac->out.len);
	/* Not sent: the relay keeps the message, and sends it again. */
	(void)rc;
}

int
agentchat_close(struct agentchat *ac, int timeout_ms)
{
	int rc = session_ready(ac);

	if (rc < 0)
		return rc;
	acknowledge(ac);
	session_asks(ac);
	rc = call_end(ac->call, timeout_ms);
	session_asked(ac);
	return rc;
}

const char *
agentchat_id(const struct agentchat *ac)
{
	struct client *c = ac->call != NULL ? call_client(ac->call) : NULL;

	return c != NULL ? client_info(c)->agent_id : "";
}

const char *
agentchat_why(const struct agentchat *ac)
{
	return ac->why != NULL ? ac->why : "No error.";
}

/* ---------------------------------------------------------------- events */

/* 1: *out is the next event; 0: there is none. */
static int
take(struct agentchat *ac, struct agentchat_object **out)
{
	const char *p = ac->queue.p + ac->at, *nl;
	int64_t seq;
	int rc;

	if (queued(ac) == 0)
		return 0;
	nl = memchr(p, '\n', queued(ac));
	rc = object_new(out, p, (size_t)(nl - p));
	if (rc == -ENOMEM)
		return rc;	/* it stays for another time */
	ac->at += (size_t)(nl + 1 - p);
	if (ac->at == ac->queue.len || ac->at >= DROP_AT) {
		buf_drop(&ac->queue, ac->at);
		ac->at = 0;
	}
	set_pause(ac);
	if (rc < 0)
		return rc;
	seq = agentchat_object_int(*out, "mailbox_seq", -1);
	if (seq >= 0)
		ac->ack = seq;
	return 1;
}

/* Until there is an event or the time is up. */
static int
wait_event(struct agentchat *ac, int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_mono_ms();
	int rc;

	if (left <= 0)
		return 0;
	if (deadline_ms != INT64_MAX)
		loop_timer_set(ac->timer, left);
	ac->waiting = true;
	rc = loop_run(call_loop(ac->call));
	ac->waiting = false;
	loop_timer_off(ac->timer);
	return rc;
}

int
agentchat_next(struct agentchat *ac, struct agentchat_object **out,
    int timeout_ms)
{
	int64_t deadline = timeout_ms < 0 ? INT64_MAX :
	    clock_mono_ms() + timeout_ms;
	int rc = 0;

	*out = NULL;
	if (ac->call == NULL)
		return session_fail(ac, -ENOTCONN, "Not connected yet.");
	acknowledge(ac);
	if (queued(ac) == 0)
		rc = turn(ac);
	while (rc == 0 && queued(ac) == 0 && !ac->over &&
	    clock_mono_ms() < deadline)
		rc = wait_event(ac, deadline);
	if (rc == 0)
		rc = take(ac, out);
	if (rc == 0 && ac->over)
		return -ENOTCONN;
	(void)turn(ac);
	return rc;
}

int
agentchat_fd(struct agentchat *ac)
{
	if (ac->call == NULL)
		return session_fail(ac, -ENOTCONN, "Not connected yet.");
	return ac->fd;
}

int
agentchat_service(struct agentchat *ac)
{
	int rc;

	if (ac->call == NULL)
		return session_fail(ac, -ENOTCONN, "Not connected yet.");
	rc = turn(ac);
	if (rc < 0)
		return session_fail(ac, rc, ac_strerror(rc));
	return ac->over ? -ENOTCONN : 0;
}

/* -------------------------------------------- for request.c and work.c */

int
session_ready(struct agentchat *ac)
{
	struct client *c = ac->call != NULL ? call_client(ac->call) : NULL;

	if (c != NULL && client_is_ready(c))
		return 0;
	return session_fail(ac, -ENOTCONN, "Not connected.");
}

void
session_asks(struct agentchat *ac)
{
	ac->asking = true;
	set_pause(ac);
}

void
session_asked(struct agentchat *ac)
{
	ac->asking = false;
	(void)turn(ac);
}

int
session_ask(struct agentchat *ac, call_accept_fn *accept, void *arg,
    int timeout_ms)
{
	int rc = buf_err(&ac->out);

	if (rc == 0)
		rc = session_ready(ac);
	if (rc < 0)
		return rc;
	if (timeout_ms == 0) {
		rc = call_send(ac->call, ac->out.p, ac->out.len);
		(void)turn(ac);
		return rc < 0 ? session_fail(ac, rc, ac_strerror(rc)) : 0;
	}
	session_asks(ac);
	rc = call_do(ac->call, ac->out.p, ac->out.len, accept, arg,
	    timeout_ms);
	if (rc < 0)
		session_fail(ac, rc, call_why(ac->call));
	session_asked(ac);
	return rc;
}

int
session_accept(void *arg, const struct wire_msg *m, const char *text,
    size_t len)
{
	const struct session_want *want = arg;
	const char *channel = wire_str(m, WF_CHANNEL);

	/* None of these has an id: what answers one is another's. */
	if (m->type == WIRE_ERROR && wire_has(m, WF_RE))
		return CALL_PASS;
	if (m->type != want->type || (want->channel != NULL &&
	    (channel == NULL || strcmp(channel, want->channel) != 0)))
		return 0;
	if (want->keep != NULL)
		buf_add(want->keep, text, len);
	return 1;
}
