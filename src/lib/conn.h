/*
 * conn.h - one WebSocket connection after another to the same URL: lib's own.
 *
 * conn.c knows frames and reasons, nothing of what is said in them.
 */
#ifndef AC_LIB_CONN_H
#define AC_LIB_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

struct loop;
struct conn;
struct lws_context;
struct lws_protocols;
struct lws_vhost;

#define CONN_FRAME_MAX	(16 << 20)	/* a relay that fills our memory */
#define CONN_QUEUE_MAX	(1 << 20)	/* bytes that wait to be sent */
#define CONN_BATCH_MAX	(32 << 10)	/* bytes of one ndjson frame of ours */

/* loop.c: what the connections are made in. Borrowed. */
struct lws_context *loop_context(const struct loop *) AC_NONNULL(1);
struct lws_vhost *loop_vhost(const struct loop *) AC_NONNULL(1);

/*
 * A connection's socket, for loop_turn(): what it has come to is looked up
 * there. Embedded; in the loop's list from add to del.
 */
struct loop_socket {
	struct lws		*wsi;	/* NULL: not now */
	bool			 in, out; /* what is waited for on it */
	struct loop_socket	*next;
};
void	loop_socket_add(struct loop *, struct loop_socket *) AC_NONNULL(1, 2);
void	loop_socket_del(struct loop *, struct loop_socket *) AC_NONNULL(1, 2);

/* conn.c: for the loop's table of protocols. */
extern const struct lws_protocols conn_protocol;

/*
 * up	the WebSocket is open
 * line	one object: a frame, or a line of one from a relay that speaks ndjson.
 *	Borrowed
 * down	it ended, or could not be made. The conn may be freed here, and only
 *	here and outside of callbacks.
 */
struct conn_ops {
	void	(*up)(void *arg);
	void	(*line)(void *arg, const char *text, size_t len);
	void	(*down)(void *arg, int rc, const char *why);
};

/* A URL in its parts. */
struct conn_url {
	bool	 tls;
	char	 host[256];	/* lower case; IPv6 without brackets */
	int	 port;
	char	 hostport[270];	/* "host:port", brackets around IPv6 */
	char	 path[1024];	/* "/", with query */
};

/* 0 or -EINVAL: not ws:// or wss:// with a host (user info is refused). */
int	conn_url_parse(struct conn_url *, const char *url)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

int	conn_new(struct conn **, struct loop *, const char *url,
	    const struct conn_ops *, void *arg)
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;
void	conn_free(struct conn *);		/* NULL accepted */
const struct conn_url *conn_url(const struct conn *) AC_NONNULL(1);

/* Connect after delay_ms; not while connected. */
void	conn_connect(struct conn *, int64_t delay_ms) AC_NONNULL(1);

/* One object; copied. -ENOTCONN, -ENOBUFS, -ENOMEM, -EMSGSIZE. */
int	conn_send(struct conn *, const char *, size_t)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Stop or go on reading. The other's silence doesn't count meanwhile. */
void	conn_pause(struct conn *, bool pause) AC_NONNULL(1);
size_t	conn_queued(const struct conn *) AC_NONNULL(1);

/*
 * End the connection: what is queued is sent first if flush is set. down is
 * called with rc and why (copied), later, from the loop.
 */
void	conn_close(struct conn *, bool flush, int rc, const char *why)
	    AC_NONNULL(1, 4);

#endif
