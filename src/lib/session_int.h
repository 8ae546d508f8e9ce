/*
 * session_int.h - the public session, for the files that it is made of: lib's
 * own. agentchat.c has its life and its events, request.c what is asked of a
 * relay, work.c the steps of deals.
 */
#ifndef AC_LIB_SESSION_INT_H
#define AC_LIB_SESSION_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "lib/agentchat.h"
#include "lib/client.h"

struct loop_timer;

struct agentchat {
	char		*url, *name, *ca_file;
	const struct agentchat_identity *identity;
	bool		 reconnect;
	struct call	*call;		/* NULL before agentchat_connect() */
	struct loop_timer *timer;	/* of agentchat_next() */
	int		 fd;		/* the loop's */
	struct buf	 queue;		/* events, each ended by a newline */
	size_t		 at;		/* what of it is taken */
	int64_t		 ack;		/* mailbox_seq of what was taken last,
					   or -1 */
	bool		 over;		/* DOWN was said, for good */
	bool		 asking;	/* an answer is waited for */
	bool		 waiting;	/* an event is waited for */
	bool		 paused;
	struct buf	 out;		/* a message that is put together */
	char		*why;
};

/* Keep why, which is copied, for agentchat_why(); returns rc. */
int	session_fail(struct agentchat *, int rc, const char *why)
	    AC_NONNULL(1, 3);

/* What is put together in out, sent: and waited for, unless timeout_ms is 0. */
int	session_ask(struct agentchat *, call_accept_fn *, void *arg,
	    int timeout_ms) AC_NONNULL(1, 2) AC_MUST_CHECK;

/* Around whatever waits for an answer in another way. */
void	session_asks(struct agentchat *) AC_NONNULL(1);
void	session_asked(struct agentchat *) AC_NONNULL(1);

/* 0, or -ENOTCONN, with a reason. */
int	session_ready(struct agentchat *) AC_NONNULL(1) AC_MUST_CHECK;

/* accept for the first of this type, for this channel; see session_ask(). */
struct session_want {
	enum wire_type	 type;
	const char	*channel;	/* NULL: any */
	struct buf	*keep;		/* the answer's text; or NULL */
};
int	session_accept(void *want, const struct wire_msg *, const char *text,
	    size_t len);

#endif
