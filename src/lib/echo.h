/*
 * echo.h - has a relay taken our message? In a session with call_do().
 */
#ifndef AC_LIB_ECHO_H
#define AC_LIB_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "wire/msg.h"

struct client_info;

struct echo {
	/* What was sent; borrowed. */
	const char	*id, *to, *content;
	size_t		 len;
	/* Out: the echo as it came; to be freed with buf_fini(). */
	struct buf	 text;
	/* echo.c's own */
	const char	*me;
	bool		 wants_stored;	/* the relay will say so */
	bool		 back;
	int64_t		 j;		/* its journal position; -1: not told */
	int64_t		 stored;	/* all up to there is on its disk */
};

/* Before the message is sent; the four members above are set by the caller. */
void	echo_init(struct echo *, const struct client_info *) AC_NONNULL(1, 2);

/*
 * A call_accept_fn. Done with the echo, or, with a relay that tells when it
 * has something on its disk, with that. Both may come in one read: so this is
 * one wait.
 */
int	echo_accept(void *echo, const struct wire_msg *, const char *text,
	    size_t len);

#endif
