/*
 * listen.c - from libwebsockets' callbacks to sessions.
 *
 * Frames come in pieces: they are put together here, under our own bound. A
 * refused upgrade, a binary frame, a frame too long end here too.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/log.h"
#include "base/notify.h"
#include "relay/internal.h"
#include "relay/listen.h"
#include "relay/loop.h"

#define RESCAN_S 30

/* What one network address has open. */
struct address {
	char	text[46];
	size_t	sessions, unidentified;
};

static struct relay *
relay_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

static void
address_text(struct lws *wsi, char out[46])
{
	out[0] = '\0';
	lws_get_peer_simple(wsi, out, 46);
}

void
address_count(struct relay *r, const char *text, int sessions,
    int unidentified)
{
	struct address *a = map_get(&r->addresses, text, strlen(text));

	if (a == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL)
			return;		/* then it isn't limited */
		snprintf(a->text, sizeof(a->text), "%s", text);
		if (map_put(&r->addresses, a->text, strlen(a->text), a) < 0) {
			free(a);
			return;
		}
	}
	a->sessions += (size_t)sessions;
	a->unidentified += (size_t)unidentified;
	if (a->sessions == 0) {
		map_del(&r->addresses, a->text, strlen(a->text));
		free(a);
	}
}

/* Why a connection can't be had, or NULL. */
static const char *
too_many(struct relay *r, const char *text)
{
	const struct relay_conf *conf = &r->conf;
	const struct address *a =
	    map_get(&r->addresses, text, strlen(text));

	if (r->stopping)
		return "stopping";
	if (conf->max_connections != 0 &&
	    r->npeers >= (size_t)conf->max_connections)
		return "max-connections";
	if (!mem_has_room(MEM_LIVE))
		return "max-memory";
	if (a == NULL)
		return NULL;
	if (conf->max_per_address != 0 &&
	    a->sessions >= (size_t)conf->max_per_address)
		return "max-per-address";
	if (conf->max_unidentified != 0 &&
	    a->unidentified >= (size_t)conf->max_unidentified)
		return "max-unidentified";
	return NULL;
}

static int
filter(struct lws *wsi)
{
	struct relay *r = relay_of(wsi);
	char text[46];
	const char *why;

	address_text(wsi, text);
	why = too_many(r, text);
	if (why == NULL)
		return 0;
	r->metrics.drops[DROP_REFUSED]++;
	log_warn("refused", "address", text, "why", why, NULL);
	return -1;
}

static int
established(struct lws *wsi)
{
	struct relay *r = relay_of(wsi);
	struct peer *p = peer_new(r, wsi);

	if (p == NULL)
		return -1;
	address_text(wsi, p->address);
	address_count(r, p->address, 1, 1);
	p->is_unidentified = true;
	lws_set_opaque_user_data(wsi, p);
	return 0;
}

static void
closed(struct lws *wsi, struct peer *p)
{
	struct relay *r = p->relay;

	lws_set_opaque_user_data(wsi, NULL);
	address_count(r, p->address, -1, p->is_unidentified ? -1 : 0);
	peer_gone(p);
	if (r->stopping && r->npeers == 0)
		loop_end(r);
}

static int
receive(struct lws *wsi, struct peer *p, const char *in, size_t len)
{
	struct relay *r = p->relay;
	bool whole = lws_remaining_packet_payload(wsi) == 0 &&
	    lws_is_final_fragment(wsi);
	size_t had;

	p->silent = 0;
	if (p->state == PEER_CLOSING)
		return 0;
	if (lws_frame_is_binary(wsi)) {
		r->metrics.drops[DROP_PROTOCOL]++;
		peer_drop(p, 1003, "Send text frames.");
		return 0;
	}
	if (p->in_buf.len + len + lws_remaining_packet_payload(wsi) >
	    (size_t)r->conf.frame_max) {
		peer_forget_input(p);
		r->metrics.drops[DROP_PROTOCOL]++;
		peer_drop(p, 1009, "The frame is too long.");
		return 0;
	}
	if (whole && p->in_buf.len == 0) {
		dispatch(p, in != NULL ? in : "", len);
		return 0;
	}
	had = p->in_buf.cap;
	buf_add(&p->in_buf, in, len);
	mem_grow((int64_t)(p->in_buf.cap - had));
	if (buf_err(&p->in_buf) < 0 ||
	    (p->in_buf.cap > had && !mem_has_room(MEM_LIVE))) {
		r->metrics.drops[DROP_MEMORY]++;
		peer_drop(p, 1011, "The relay is out of memory.");
	} else if (!whole) {
		return 0;
	} else {
		dispatch(p, p->in_buf.p, p->in_buf.len);
	}
	peer_forget_input(p);
	return 0;
}

static void
sync_ended(struct relay *r)
{
	turn_synced(r);
	if (r->clean_sync != 0 || clean_is_due(r))
		clean_tick(r);
}

int
listen_callback(struct lws *wsi, enum lws_callback_reasons why, void *user,
    void *in, size_t len)
{
	struct peer *p;

	(void)user;
	switch (why) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		/* 4.1 would answer 101 to an upgrade to h2c. */
		return in != NULL && strcasecmp(in, "websocket") == 0 ? 0 : -1;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return filter(wsi);
	case LWS_CALLBACK_HTTP:
		return http_request(wsi, relay_of(wsi),
		    in != NULL ? in : "");
	case LWS_CALLBACK_ESTABLISHED:
		return established(wsi);
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
		/* Also called once while the context is being made. */
		if (relay_of(wsi)->store != NULL && relay_of(wsi)->started)
			sync_ended(relay_of(wsi));
		return 0;
	default:
		break;
	}
	p = wsi != NULL ? lws_get_opaque_user_data(wsi) : NULL;
	if (p == NULL)
		return 0;
	switch (why) {
	case LWS_CALLBACK_RECEIVE:
		return receive(wsi, p, in, len);
	case LWS_CALLBACK_RECEIVE_PONG:
		p->silent = 0;
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		peer_writable(p);
		return 0;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		/* The answer to our close frame: don't answer that one. */
		return p->state == PEER_CLOSING ? -1 : 0;
	case LWS_CALLBACK_CLOSED:
		closed(wsi, p);
		return 0;
	default:
		return 0;
	}
}

static void
stop(struct relay *r)
{
	struct peer *p;

	if (r->stopping) {
		loop_end(r);
		return;
	}
	log_info("stopping", NULL);
	notify_send("STOPPING=1");
	r->stopping = true;
	turn_end(r);
	LIST_FOREACH(p, &r->peers, all)
		peer_close(p, 1001, "The relay is stopping.");
	if (r->npeers == 0)
		loop_end(r);
}

/* SIGHUP: what the operator may have changed. */
static void
hang_up(struct relay *r)
{
	access_reload(r);
	tls_reload(r);
}

int
listen_signal(struct lws *wsi, enum lws_callback_reasons why, void *user,
    void *in, size_t len)
{
	unsigned char sig;

	(void)user;
	(void)in;
	(void)len;
	if (why != LWS_CALLBACK_RAW_RX_FILE)
		return 0;
	while (read(lws_get_socket_fd(wsi), &sig, 1) == 1) {
		if (sig == SIGTERM || sig == SIGINT)
			stop(relay_of(wsi));
		else if (sig == SIGHUP)
			hang_up(relay_of(wsi));
	}
	return 0;
}

int
listen_watch(struct lws *wsi, enum lws_callback_reasons why, void *user,
    void *in, size_t len)
{
	(void)user;
	(void)in;
	(void)len;
	if (why == LWS_CALLBACK_RAW_RX_FILE)
		operator_read(relay_of(wsi));
	return 0;
}

void
listen_tick(struct relay *r, int64_t now_ms)
{
	notify_alive();
	peer_tick(r, now_ms);
	verify_tick(r, now_ms);
	access_tick(r);
	clean_tick(r);
	operator_tick(r);
	if (++r->ticks % RESCAN_S == 0)
		operator_rescan(r);
	if (r->stopping && r->npeers == 0)
		loop_end(r);
}
