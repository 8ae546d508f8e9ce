/*
 * conn.c - one WebSocket connection after another to the same URL.
 *
 * libwebsockets calls back at moments when its own structures must not be
 * touched, and reports failures before the call that caused them returns. So
 * the tie between a conn and its socket (the opaque pointer) is cut as soon
 * as one of them is done with the other; a callback without conn closes its
 * socket. down() is the last thing that any path here does with a conn.
 *
 * Liveness is ours: a PING when nothing came for 15 s, and the end when
 * nothing came for 40 s; so a link that died silently is noticed within 45 s.
 */
#include "config.h"

#include "lib/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

#include "base/clock.h"
#include "base/err.h"
#include "lib/loop.h"
#include "lib/reason.h"
#include "lib/resolve.h"
#include "wire/limits.h"

#define PING_AFTER_MS	15000	/* of silence */
#define DEAD_AFTER_MS	40000
#define PING_EVERY_MS	5000	/* until something comes */
#define TICK_MS		1000	/* while connecting */
#define CLOSE_WITHIN_MS	5000	/* for what is queued, and the other's answer */

struct conn {
	struct loop		*loop;
	const struct conn_ops	*ops;
	void			*arg;
	struct conn_url		 url;
	struct loop_socket	 sock;	/* while there is a connection */
	struct loop_timer	*timer;	/* the next try; then liveness */
	struct resolve		*resolve; /* the host's addresses are awaited */
	char			 addresses[RESOLVE_MAX][RESOLVE_LEN];
	size_t			 count, next; /* of them, and which is tried */
	struct buf		 rx;	/* the frame that is coming in */
	struct buf		 tx;	/* objects, each ended by a newline */
	size_t			 tx_at;	/* what of it is sent already */
	struct buf		 why;	/* of the end that is under way */
	int			 rc;
	int64_t			 heard_ms; /* mono: when something came */
	bool			 dialling; /* libwebsockets has the word */
	bool			 open;
	bool			 ndjson; /* the relay takes several per frame */
	bool			 ping;	/* a PING is to be sent */
	bool			 closing;
	bool			 paused;
};

static void
want_write(struct conn *c)
{
	c->sock.out = true;
	lws_callback_on_writable(c->sock.wsi);
}

/* -------------------------------------------------------------- the end */

/* The connection is over. Nothing may touch c after this. */
static void
ended(struct conn *c)
{
	char why[512];

	snprintf(why, sizeof(why), "%s", c->why.len > 0 ? c->why.p :
	    "The relay closed the connection.");
	resolve_cancel(c->resolve);
	c->resolve = NULL;
	c->sock.wsi = NULL;
	c->open = c->closing = c->ping = c->ndjson = c->paused = false;
	c->sock.out = false;
	loop_timer_off(c->timer);
	buf_clear(&c->why);
	buf_clear(&c->rx);
	buf_clear(&c->tx);
	c->tx_at = 0;
	c->ops->down(c->arg, c->rc, why);
}

/* Cut the tie to the socket; libwebsockets closes it in its own time. */
static void
detach(struct conn *c)
{
	if (c->sock.wsi == NULL)
		return;
	lws_set_opaque_user_data(c->sock.wsi, NULL);
	lws_set_timeout(c->sock.wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	c->sock.wsi = NULL;
}

void
conn_close(struct conn *c, bool flush, int rc, const char *why)
{
	if (c->closing)
		return;
	c->closing = true;
	c->rc = rc;
	buf_clear(&c->why);
	buf_adds(&c->why, why);
	if (!c->open || !flush) {
		/* Nothing to wait for: the timer reports it. */
		resolve_cancel(c->resolve);
		c->resolve = NULL;
		detach(c);
		loop_timer_set(c->timer, 0);
		return;
	}
	loop_timer_set(c->timer, CLOSE_WITHIN_MS);
	want_write(c);
}

/* ----------------------------------------------------------- connecting */

/* The reason, unless conn_close() has said it. */
static void
explain(struct conn *c, struct lws *wsi, const char *text, size_t len)
{
	if (c->why.len == 0)
		c->rc = reason_find(&c->why, &c->url, c->addresses[c->next],
		    wsi, text, len);
}

/* An address didn't do: try the next at once, or give up. */
static void
next_address(struct conn *c)
{
	bool unreachable = c->rc == -ECONNREFUSED || c->rc == -ETIMEDOUT ||
	    c->rc == -EHOSTUNREACH || c->rc == -ENETUNREACH ||
	    c->rc == -EADDRNOTAVAIL || c->rc == -EAFNOSUPPORT;

	if (c->closing || !unreachable || c->next + 1 >= c->count) {
		ended(c);
		return;
	}
	c->next++;
	buf_clear(&c->why);
	loop_timer_set(c->timer, 0);
}

static void
dial(struct conn *c)
{
	struct lws_client_connect_info info;
	struct lws *wsi;

	memset(&info, 0, sizeof(info));
	info.context = loop_context(c->loop);
	info.vhost = loop_vhost(c->loop);
	info.address = c->addresses[c->next];
	info.port = c->url.port;
	info.path = c->url.path;
	/* libwebsockets checks the certificate against this, without port. */
	info.host = c->url.hostport;
	info.origin = NULL;
	info.protocol = conn_protocol.name;
	info.local_protocol_name = conn_protocol.name;
	info.alpn = "http/1.1";
	info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT |
	    (c->url.tls ? LCCSCF_USE_SSL : 0);
	info.opaque_user_data = c;

	c->rc = 0;
	c->dialling = true;
	wsi = lws_client_connect_via_info(&info);
	c->dialling = false;
	c->sock.wsi = wsi;
	c->sock.in = true;
	loop_timer_set(c->timer, TICK_MS);
	if (wsi == NULL || c->why.len > 0) {
		detach(c);
		explain(c, NULL, NULL, 0);
		next_address(c);
	}
}

static void
resolved(void *arg, const char (*addresses)[RESOLVE_LEN], size_t count,
    const char *why)
{
	struct conn *c = arg;

	if (count > 0)
		memcpy(c->addresses, addresses, count * RESOLVE_LEN);
	c->count = count;
	c->next = 0;
	resolve_cancel(c->resolve);
	c->resolve = NULL;
	if (count > 0) {
		dial(c);
		return;
	}
	c->rc = -EHOSTUNREACH;
	buf_addf(&c->why, "%s is not found: %s.", c->url.hostport, why);
	ended(c);
}

static void
look_up(struct conn *c)
{
	int rc = resolve_start(&c->resolve, c->loop, c->url.host, resolved, c);

	if (rc == 0)
		return;
	c->resolve = NULL;
	c->rc = rc;
	buf_addf(&c->why, "Can't connect to %s: %s.", c->url.hostport,
	    ac_strerror(rc));
	ended(c);
}

static void
check_alive(struct conn *c)
{
	int64_t silent_ms = clock_mono_ms() - c->heard_ms;

	if (c->paused)
		silent_ms = 0;
	if (silent_ms >= DEAD_AFTER_MS) {
		conn_close(c, false, -ETIMEDOUT,
		    "The relay does not answer any more.");
		return;
	}
	if (silent_ms < PING_AFTER_MS) {
		loop_timer_set(c->timer, PING_AFTER_MS - silent_ms);
		return;
	}
	c->ping = true;
	want_write(c);
	loop_timer_set(c->timer, PING_EVERY_MS);
}

static void
timer_fired(void *arg)
{
	struct conn *c = arg;

	if (c->closing) {
		detach(c);
		ended(c);
	} else if (c->open) {
		check_alive(c);
	} else if (c->sock.wsi != NULL) {
		loop_timer_set(c->timer, TICK_MS);	/* see loop.c */
	} else if (c->next < c->count) {
		dial(c);
	} else {
		look_up(c);
	}
}

void
conn_connect(struct conn *c, int64_t delay_ms)
{
	if (c->sock.wsi != NULL || c->closing)
		return;
	c->count = c->next = 0;
	loop_timer_set(c->timer, delay_ms);
}

/* -------------------------------------------------------------- sending */

int
conn_send(struct conn *c, const char *text, size_t len)
{
	size_t before = c->tx.len;

	if (!c->open || c->closing)
		return -ENOTCONN;
	if (len > CONN_QUEUE_MAX)
		return -EMSGSIZE;
	if (before - c->tx_at > CONN_QUEUE_MAX)
		return -ENOBUFS;
	buf_add(&c->tx, text, len);
	buf_addc(&c->tx, '\n');
	if (buf_err(&c->tx) < 0) {
		c->tx.len = before;
		c->tx.failed = false;
		return -ENOMEM;
	}
	want_write(c);
	return 0;
}

size_t
conn_queued(const struct conn *c)
{
	return c->tx.len - c->tx_at;
}

void
conn_pause(struct conn *c, bool pause)
{
	if (!c->open || c->sock.wsi == NULL || c->paused == pause)
		return;
	c->paused = pause;
	c->heard_ms = clock_mono_ms();
	c->sock.in = !pause;
	lws_rx_flow_control(c->sock.wsi, !pause);
}

/* How much of the queue goes into the next frame: whole objects. */
static size_t
next_frame_len(const struct conn *c)
{
	const char *p = c->tx.p + c->tx_at, *nl;
	size_t len = 0, all = c->tx.len - c->tx_at;

	while (len < all) {
		nl = memchr(p + len, '\n', all - len);
		if (len > 0 && (size_t)(nl + 1 - p) > CONN_BATCH_MAX)
			break;
		len = (size_t)(nl + 1 - p);
		if (!c->ndjson)
			break;
	}
	return len;
}

static int
write_frame(struct conn *c, const char *p, size_t len,
    enum lws_write_protocol how)
{
	/* Masking is done in place, and the header is put in front. */
	unsigned char *b = malloc(LWS_PRE + len);
	int n;

	if (b == NULL)
		return -1;
	if (len > 0)
		memcpy(b + LWS_PRE, p, len);
	n = lws_write(c->sock.wsi, b + LWS_PRE, len, how);
	free(b);
	return n < (int)len ? -1 : 0;
}

/* 0, or -1 to close the socket. */
static int
writeable(struct conn *c)
{
	size_t len;

	c->sock.out = false;
	if (c->ping) {
		c->ping = false;
		if (write_frame(c, "", 0, LWS_WRITE_PING) < 0)
			return -1;
	}
	while (c->tx_at < c->tx.len && !lws_send_pipe_choked(c->sock.wsi)) {
		len = next_frame_len(c);
		/* Without the newline that ends the last object. */
		if (write_frame(c, c->tx.p + c->tx_at, len - 1,
		    LWS_WRITE_TEXT) < 0)
			return -1;
		c->tx_at += len;
	}
	buf_drop(&c->tx, c->tx_at);
	c->tx_at = 0;
	if (c->tx.len > 0) {
		want_write(c);
		return 0;
	}
	if (c->closing) {
		lws_close_reason(c->sock.wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
		return -1;
	}
	return 0;
}

/* ------------------------------------------------------------ receiving */

/* Hand over the objects of a whole frame. */
static void
take_frame(struct conn *c)
{
	char *p = c->rx.p, *end = p + c->rx.len, *nl;

	/* A raw newline can't stand within a JSON string, so each ends one. */
	while (p < end && !c->closing) {
		nl = c->ndjson ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		if (nl == NULL)
			nl = end;
		if (nl > p)
			c->ops->line(c->arg, p, (size_t)(nl - p));
		p = nl + 1;
	}
	buf_clear(&c->rx);
}

static int
receive(struct conn *c, const char *in, size_t len)
{
	c->heard_ms = clock_mono_ms();
	if (c->closing)
		return 0;
	if (c->rx.len + len > CONN_FRAME_MAX) {
		conn_close(c, false, -EMSGSIZE,
		    "The relay sent a frame without end.");
		return 0;
	}
	buf_add(&c->rx, in, len);
	if (buf_err(&c->rx) < 0) {
		conn_close(c, false, -ENOMEM, "Out of memory.");
		return 0;
	}
	if (lws_is_final_fragment(c->sock.wsi) &&
	    lws_remaining_packet_payload(c->sock.wsi) == 0)
		take_frame(c);
	return 0;
}

/* -------------------------------------------------------- the callbacks */

static void
refused(struct conn *c, struct lws *wsi, const char *text, size_t len)
{
	explain(c, wsi, text, len);
	if (c->dialling)
		return;		/* dial() goes on */
	lws_set_opaque_user_data(wsi, NULL);
	c->sock.wsi = NULL;
	next_address(c);
}

/*
 * The socket is freed before it was a WebSocket, and libwebsockets calls that
 * no error: the other end took the connection and then said nothing.
 */
static void
unanswered(struct conn *c, struct lws *wsi)
{
	if (c->why.len == 0) {
		c->rc = -ETIMEDOUT;
		buf_addf(&c->why, "%s does not answer.", c->url.hostport);
	}
	refused(c, wsi, NULL, 0);
}

static void
closed(struct conn *c, struct lws *wsi)
{
	lws_set_opaque_user_data(wsi, NULL);
	if (!c->closing)
		c->rc = -ECONNRESET;
	ended(c);
}

static void
opened(struct conn *c)
{
	c->open = true;
	c->heard_ms = clock_mono_ms();
	loop_timer_set(c->timer, PING_AFTER_MS);
	c->ops->up(c->arg);
}

static int
callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
    void *in, size_t len)
{
	struct conn *c;

	(void)user;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
	case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
	case LWS_CALLBACK_CLIENT_CLOSED:
	case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
		break;
	default:
		return 0;	/* the opaque pointer may not be ours yet */
	}
	c = lws_get_opaque_user_data(wsi);
	if (c == NULL)
		return -1;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		refused(c, wsi, in, len);
		return 0;
	case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
		c->ndjson = lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) > 0;
		return 0;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		c->sock.wsi = wsi;
		opened(c);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return receive(c, in, len);
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		c->heard_ms = clock_mono_ms();
		if (c->open && !c->closing)
			loop_timer_set(c->timer, PING_AFTER_MS);
		return 0;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return writeable(c);
	case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
		unanswered(c, wsi);
		return 0;
	default:
		closed(c, wsi);
		return 0;
	}
}

const struct lws_protocols conn_protocol = {
	.name = WIRE_SUBPROTOCOL,
	.callback = callback,
	.rx_buffer_size = 65536,
	.tx_packet_size = 65536,
};

/* ------------------------------------------------------------- its life */

int
conn_new(struct conn **out, struct loop *l, const char *url,
    const struct conn_ops *ops, void *arg)
{
	struct conn *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return -ENOMEM;
	rc = conn_url_parse(&c->url, url);
	if (rc == 0)
		rc = loop_timer_new(&c->timer, l, timer_fired, c);
	if (rc < 0) {
		free(c);
		return rc;
	}
	c->loop = l;
	c->ops = ops;
	c->arg = arg;
	loop_socket_add(l, &c->sock);
	*out = c;
	return 0;
}

void
conn_free(struct conn *c)
{
	if (c == NULL)
		return;
	detach(c);
	loop_socket_del(c->loop, &c->sock);
	resolve_cancel(c->resolve);
	loop_timer_free(c->timer);
	buf_fini(&c->rx);
	buf_fini(&c->tx);
	buf_fini(&c->why);
	free(c);
}

const struct conn_url *
conn_url(const struct conn *c)
{
	return &c->url;
}
