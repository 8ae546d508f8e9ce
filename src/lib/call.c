/*
 * call.c - the blocking forms: a loop and a client of their own, run until
 * the answer is there.
 */
#include "config.h"

#include "lib/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lib/loop.h"

#define GOODBYE_MS 2000	/* for what is queued, and the close handshake */

struct call {
	const struct client_ops	*rest;	/* what nobody waits for; or NULL */
	void			*rest_arg;
	struct loop		*loop;
	struct client		*client;
	struct loop_timer	*timer;
	struct client_info	 info;
	char			*why;
	bool			 ready, down;
	int			 rc;	/* of the wait that is under way */
	int			 down_rc;
	bool			 done;
	call_accept_fn		*accept;
	void			*arg;
};

static void
settle(struct call *c, int rc, const char *why)
{
	if (c->done)
		return;
	c->done = true;
	c->rc = rc;
	if (why != NULL) {
		free(c->why);
		c->why = strdup(why);
	}
	loop_stop(c->loop);
}

static void
on_ready(void *arg, const struct client_info *info)
{
	struct call *c = arg;

	c->info = *info;
	c->ready = true;
	c->down = false;
	if (!c->done && c->accept == NULL)
		settle(c, 0, NULL);
	else if (c->rest != NULL)
		c->rest->ready(c->rest_arg, info);
}

static void
pass_on(struct call *c, const struct wire_msg *m, const char *text, size_t len)
{
	if (c->rest != NULL)
		c->rest->message(c->rest_arg, m, text, len);
}

static void
on_message(void *arg, const struct wire_msg *m, const char *text, size_t len)
{
	struct call *c = arg;
	const char *word;
	int rc;

	rc = c->done || c->accept == NULL ? CALL_PASS :
	    c->accept(c->arg, m, text, len);
	if (rc == CALL_TAKEN)
		return;
	if (rc == CALL_PASS || (rc == 0 && m->type != WIRE_ERROR)) {
		pass_on(c, m, text, len);
		return;
	}
	if (rc != 0) {
		settle(c, rc > 0 ? 0 : rc, rc < 0 ? ac_strerror(rc) : NULL);
		return;
	}
	word = wire_str(m, WF_CODE);
	rc = word != NULL ? ac_errcode(word, strlen(word)) : 0;
	settle(c, rc != 0 ? rc : -EPROTO, wire_has(m, WF_MESSAGE) ?
	    wire_str(m, WF_MESSAGE) : ac_strerror(rc != 0 ? rc : -EPROTO));
}

static void
on_down(void *arg, int rc, const char *why, int64_t retry_ms)
{
	struct call *c = arg;

	c->down = true;
	c->ready = false;
	c->down_rc = rc != 0 ? rc : -ECONNRESET;
	/* Waited for to be ready: then the next try may do it. */
	if (retry_ms < 0 || c->accept != NULL)
		settle(c, c->down_rc, why);
	if (c->rest != NULL)
		c->rest->down(c->rest_arg, rc, why, retry_ms);
}

static void
on_timeout(void *arg)
{
	settle(arg, -ETIMEDOUT, "No answer in time.");
}

static const struct client_ops call_ops = {
	.ready = on_ready,
	.message = on_message,
	.down = on_down,
};

/* Run the loop until settle() or the timeout. */
static int
wait_done(struct call *c, int64_t timeout_ms)
{
	int rc;

	if (timeout_ms >= 0)
		loop_timer_set(c->timer, timeout_ms);
	rc = loop_run(c->loop);
	loop_timer_off(c->timer);
	if (c->done)
		return c->rc;
	c->done = true;
	return rc < 0 ? rc : -EINTR;	/* the caller stopped the loop */
}

static int
start(struct call *c, const struct client_conf *conf, const char *ca_file)
{
	int rc;

	c->done = true;
	rc = loop_new(&c->loop, conf->url, ca_file);
	if (rc == 0)
		rc = loop_timer_new(&c->timer, c->loop, on_timeout, c);
	if (rc == 0)
		rc = client_new(&c->client, c->loop, conf, &call_ops, c);
	return rc;
}

int
call_open(struct call **out, const struct client_conf *conf,
    const char *ca_file, int64_t timeout_ms)
{
	struct client_conf once = *conf;
	struct call *c = calloc(1, sizeof(*c));
	int rc;

	*out = c;
	if (c == NULL)
		return -ENOMEM;
	once.retry = false;
	rc = start(c, &once, ca_file);
	if (rc < 0) {
		c->why = strdup(ac_strerror(rc));
		return rc;
	}
	return call_ready(c, timeout_ms);
}

int
call_start(struct call **out, const struct client_conf *conf,
    const char *ca_file, const struct client_ops *rest, void *arg)
{
	struct call *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return -ENOMEM;
	c->rest = rest;
	c->rest_arg = arg;
	rc = start(c, conf, ca_file);
	if (rc < 0)
		call_drop(c);
	else
		*out = c;
	return rc;
}

int
call_ready(struct call *c, int64_t timeout_ms)
{
	c->done = false;
	return wait_done(c, timeout_ms);
}

const char *
call_why(const struct call *c)
{
	return c->why != NULL ? c->why : ac_strerror(-ENOMEM);
}

const struct client_info *
call_info(const struct call *c)
{
	return &c->info;
}

struct client *
call_client(const struct call *c)
{
	return c->client;
}

struct loop *
call_loop(struct call *c)
{
	return c->loop;
}

int
call_do(struct call *c, const char *json, size_t len, call_accept_fn *accept,
    void *arg, int64_t timeout_ms)
{
	int rc;

	if (c->down)
		return c->down_rc;
	if (!c->ready)
		return -ENOTCONN;
	if (json != NULL) {
		rc = client_send(c->client, json, len);
		if (rc < 0) {
			free(c->why);
			c->why = strdup(ac_strerror(rc));
			return rc;
		}
	}
	c->done = false;
	c->accept = accept;
	c->arg = arg;
	rc = wait_done(c, timeout_ms);
	c->accept = NULL;
	return rc;
}

int
call_send(struct call *c, const char *json, size_t len)
{
	if (c->down)
		return c->down_rc;
	return client_send(c->client, json, len);
}

int
call_end(struct call *c, int64_t timeout_ms)
{
	int rc;

	if (c->client == NULL || c->down)
		return -ENOTCONN;
	client_close(c->client);
	c->done = false;
	rc = wait_done(c, timeout_ms);
	return c->down ? 0 : rc;
}

void
call_close(struct call *c)
{
	if (c != NULL)
		(void)!call_end(c, GOODBYE_MS);
	call_drop(c);
}

void
call_drop(struct call *c)
{
	if (c == NULL)
		return;
	client_free(c->client);
	loop_timer_free(c->timer);
	loop_free(c->loop);
	free(c->why);
	free(c);
}
