/*
 * probe.c - ask a relay how it is, over plain HTTP.
 *
 * A context of its own, for one request: a probe is a program that ends right
 * after it.
 */
#include "config.h"

#include "lib/client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <libwebsockets.h>

#include "base/err.h"
#include "lib/conn.h"

#define BODY_MAX	(64 << 10)
#define IO_CHUNK	4096

struct probe {
	lws_sorted_usec_list_t	 sul;	/* first: timed_out() casts */
	struct conn_url		 url;
	struct buf		*body;
	size_t			 start;	/* bytes of body that were there */
	char			*why;
	int			 status;
	int			 rc;
	bool			 done;
};

static int AC_PRINTF(3, 4)
settle(struct probe *p, int rc, const char *fmt, ...)
{
	va_list ap;

	if (p->done)
		return -1;
	p->done = true;
	p->rc = rc;
	va_start(ap, fmt);
	vsnprintf(p->why, CLIENT_WHY_MAX, fmt, ap);
	va_end(ap);
	return -1;		/* what a callback returns to hang up */
}

static void
timed_out(lws_sorted_usec_list_t *sul)
{
	settle((struct probe *)sul, -ETIMEDOUT, "No answer in time.");
}

/* What has come is handed to RECEIVE_CLIENT_HTTP_READ within. */
static int
read_some(struct lws *wsi)
{
	char chunk[LWS_PRE + IO_CHUNK], *at = chunk + LWS_PRE;
	int len = IO_CHUNK;

	return lws_http_client_read(wsi, &at, &len) < 0 ? -1 : 0;
}

static int
take(struct probe *p, const char *in, size_t len)
{
	if (p->body->len - p->start + len > BODY_MAX)
		return settle(p, -EPROTO, "The answer is too long.");
	buf_add(p->body, in, len);
	return 0;
}

static int
callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
    void *in, size_t len)
{
	struct probe *p = lws_context_user(lws_get_context(wsi));

	(void)user;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		settle(p, -ECONNREFUSED, "%s can't be connected to%s%.*s.",
		    p->url.hostport, in != NULL ? ": " : "",
		    in != NULL ? (int)len : 0, in != NULL ?
		    (const char *)in : "");
		break;
	case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
		p->status = (int)lws_http_client_http_response(wsi);
		break;
	case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
		return read_some(wsi);
	case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
		return take(p, in, len);
	case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
		return settle(p, 0, "%s", "");
	case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
		settle(p, -EPROTO, "%s hung up without an answer.",
		    p->url.hostport);
		break;
	default:
		break;
	}
	return 0;
}

static bool
is_here(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	    strncmp(host, "127.", 4) == 0;
}

static void
log_nowhere(int level, const char *line)
{
	(void)level;
	(void)line;
}

static void
connect_to(struct lws_context *cx, struct probe *p)
{
	struct lws_client_connect_info info;

	memset(&info, 0, sizeof(info));
	info.context = cx;
	info.address = p->url.host;
	info.port = p->url.port;
	info.path = "/health";
	info.host = p->url.hostport;
	info.method = "GET";
	info.alpn = "http/1.1";
	info.protocol = info.local_protocol_name = "probe";
	info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
	if (p->url.tls)
		info.ssl_connection |= LCCSCF_USE_SSL;
	if (p->url.tls && is_here(p->url.host))
		info.ssl_connection |= LCCSCF_ALLOW_INSECURE |
		    LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_EXPIRED |
		    LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
	if (lws_client_connect_via_info(&info) == NULL)
		settle(p, -ECONNREFUSED, "%s can't be connected to.",
		    p->url.hostport);
}

int
client_health(const char *url, const char *ca_file, int64_t timeout_ms,
    struct buf *body, char why[CLIENT_WHY_MAX])
{
	struct lws_context_creation_info info;
	struct lws_protocols protocols[2];
	struct probe p = { .body = body, .start = body->len, .why = why };
	struct lws_context *cx;

	if (conn_url_parse(&p.url, url) < 0) {
		settle(&p, -EINVAL, "This is no relay: ws://HOST[:PORT] or "
		    "wss://... is.");
		return -EINVAL;
	}
	memset(protocols, 0, sizeof(protocols));
	protocols[0].name = "probe";
	protocols[0].callback = callback;
	signal(SIGPIPE, SIG_IGN);
	lws_set_log_level(LLL_ERR, log_nowhere);
	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.protocols = protocols;
	if (p.url.tls)
		info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.gid = (gid_t)-1;
	info.uid = (uid_t)-1;
	info.http_proxy_address = "";	/* not $http_proxy's */
	info.user = &p;
	if (p.url.tls && ca_file != NULL) {
		info.options |= LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
		info.client_ssl_ca_filepath = ca_file;
	}
	cx = lws_create_context(&info);
	if (cx == NULL) {
		settle(&p, -ENOMEM, "%s", ca_file != NULL ?
		    "The file of authorities can't be used." :
		    "Out of memory.");
		return p.rc;
	}
	lws_sul_schedule(cx, 0, &p.sul, timed_out,
	    (lws_usec_t)timeout_ms * LWS_US_PER_MS);
	connect_to(cx, &p);
	while (!p.done)
		if (lws_service(cx, 0) < 0)
			settle(&p, -EIO, "%s", "The event loop broke.");
	lws_sul_cancel(&p.sul);
	lws_context_destroy(cx);
	if (p.rc == 0)
		p.rc = buf_err(body);
	return p.rc < 0 ? p.rc : p.status;
}
