/*
 * reason.c - why a connection could not be made, in words for people.
 */
#include "config.h"

#include "lib/reason.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/err.h"
#include "lib/conn.h"

#define PROBE_MS	250

/* What OpenSSL thought of the other's certificate, or NULL if it was fine. */
static const char *
certificate_trouble(struct lws *wsi)
{
#if defined(LWS_WITH_TLS) && !defined(LWS_WITH_MBEDTLS)
	SSL *ssl = lws_get_ssl(wsi);
	long result = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (result != X509_V_OK)
		return X509_verify_cert_error_string(result);
#else
	(void)wsi;
#endif
	return NULL;
}

/*
 * Why can't this address be connected to? libwebsockets doesn't tell, so ask
 * the kernel once more; bounded, and only where we have no connection to
 * disturb.
 */
static int
probe(const char *address, int port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICHOST }, *a;
	socklen_t len = sizeof(int);
	struct pollfd p = { .events = POLLOUT };
	char text[8];
	int err;

	snprintf(text, sizeof(text), "%d", port);
	if (getaddrinfo(address, text, &hints, &a) != 0)
		return -EHOSTUNREACH;
	p.fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	err = p.fd == -1 || connect(p.fd, a->ai_addr, a->ai_addrlen) == -1 ?
	    errno : 0;
	if (err == EINPROGRESS) {
		err = ETIMEDOUT;
		if (poll(&p, 1, PROBE_MS) == 1 && getsockopt(p.fd, SOL_SOCKET,
		    SO_ERROR, &err, &len) == -1)
			err = errno;
	}
	if (p.fd != -1)
		close(p.fd);
	freeaddrinfo(a);
	/* It can, now: the other end closed before it was a WebSocket. */
	return err != 0 ? -err : -ECONNRESET;
}

/* Is it of libwebsockets' words for a handshake that failed? */
static bool
is_handshake(const char *text, size_t len)
{
	return text != NULL && len > 4 && (memcmp(text, "HS: ", 4) == 0 ||
	    memcmp(text, "conn", 4) == 0 || memcmp(text, "tls", 3) == 0);
}

int
reason_find(struct buf *why, const struct conn_url *u, const char *address,
    struct lws *wsi, const char *text, size_t len)
{
	const char *trouble, *host = u->hostport;
	int status = 0, rc;

	trouble = wsi != NULL && u->tls ? certificate_trouble(wsi) : NULL;
	if (trouble != NULL) {
		buf_addf(why, "The certificate of %s is refused: %s.", host,
		    trouble);
		return -EACCES;
	}
	if (wsi != NULL)
		status = (int)lws_http_client_http_response(wsi);
	if (status >= 300 && status < 400) {
		buf_addf(why, "%s sends elsewhere (HTTP %d): redirects are "
		    "refused, use the relay's own address.", host, status);
		return -EPROTO;
	}
	if (status != 0 && status != 101) {
		buf_addf(why, "%s is no relay: it answers HTTP %d.", host,
		    status);
		return -EPROTO;
	}
	if (is_handshake(text, len)) {
		buf_addf(why, "%s does not speak %s.", host, u->tls ?
		    "TLS and WebSocket" : "WebSocket");
		return -EPROTO;
	}
	rc = probe(address, u->port);
	buf_addf(why, "Can't connect to %s: %s.", host, ac_strerror(rc));
	return rc;
}
