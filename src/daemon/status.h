/*
 * status.h - the text of status.json.
 */
#ifndef AC_DAEMON_STATUS_H
#define AC_DAEMON_STATUS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"

/* Texts are borrowed; NULL, and what is no UTF-8, become null. */
struct status {
	const char	*state, *server, *agent_id, *name, *since, *error;
	uint64_t	 unread, queued, sent, failed, archived, dropped;
	pid_t		 pid;
};

void	status_print(const struct status *, struct buf *out)
	    AC_NONNULL(1, 2);

#endif
