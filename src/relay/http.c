/*
 * http.c - plain HTTP at the relay's port: /health for probes, /metrics for
 * Prometheus, and a word to browsers.
 *
 * Nothing here may cost the sessions anything: one answer, put together from
 * numbers that are at hand, and the connection is over or asks again.
 */
#include "config.h"

#include <string.h>

#include <libwebsockets.h>

#include "relay/internal.h"
#include "relay/listen.h"

#define HEADERS_MAX	512

static void
put_health(struct buf *b, const struct relay *r, const char *status)
{
	buf_addc(b, '{');
	wire_json_key(b, "status");
	wire_json_str(b, status, strlen(status));
	wire_json_key(b, "server");
	wire_json_str(b, r->conf.name, strlen(r->conf.name));
	wire_json_key(b, "sessions");
	wire_json_int(b, (int64_t)r->online.count);
	wire_json_key(b, "channels");
	wire_json_int(b, (int64_t)chan_count_public(r));
	buf_adds(b, "}\n");
}

/*
 * Headers and body in one write: HTTP/1.1 is all that is negotiated, and so
 * there is no state to keep until the socket can take more.
 */
static int
answer(struct lws *wsi, unsigned status, const char *type,
    const struct buf *body)
{
	unsigned char head[LWS_PRE + HEADERS_MAX], *p = head + LWS_PRE,
	    *end = head + sizeof(head) - 1;
	struct buf out = BUF_INIT;
	int rc = -1;

	if (lws_add_http_common_headers(wsi, status, type, body->len, &p, end) != 0 ||
	    lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CACHE_CONTROL,
	    (const unsigned char *)"no-store", 8, &p, end) != 0 ||
	    lws_finalize_http_header(wsi, &p, end) != 0)
		return -1;
	buf_add(&out, head, (size_t)(p - head));	/* LWS_PRE first */
	buf_add(&out, body->p, body->len);
	if (buf_err(&out) == 0 && lws_write(wsi,
	    (unsigned char *)out.p + LWS_PRE, out.len - LWS_PRE,
	    LWS_WRITE_HTTP_HEADERS) >= 0)
		rc = lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
	buf_fini(&out);
	return rc;
}

static int
health(struct lws *wsi, const struct relay *r)
{
	bool well = !r->stopping && r->fatal == 0;
	struct buf body = BUF_INIT;
	int rc = -1;

	put_health(&body, r, well ? "ok" : "stopping");
	if (buf_err(&body) == 0)
		rc = answer(wsi, well ? HTTP_STATUS_OK :
		    HTTP_STATUS_SERVICE_UNAVAILABLE, "application/json",
		    &body);
	buf_fini(&body);
	return rc;
}

static int
metrics(struct lws *wsi, const struct relay *r)
{
	struct buf body = BUF_INIT;
	int rc = -1;

	metrics_print(&body, r);
	if (buf_err(&body) == 0)
		rc = answer(wsi, HTTP_STATUS_OK,
		    "text/plain; version=0.0.4; charset=utf-8", &body);
	buf_fini(&body);
	return rc;
}

int
http_request(struct lws *wsi, const struct relay *r, const char *path)
{
	bool get = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;

	if (get && strcmp(path, "/health") == 0)
		return health(wsi, r);
	if (get && strcmp(path, "/metrics") == 0)
		return metrics(wsi, r);
	/* Somebody's browser or probe. */
	if (lws_return_http_status(wsi, 426,
	    "This is an agentchat relay: connect by WebSocket.") != 0)
		return -1;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}
