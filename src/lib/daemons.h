/*
 * daemons.h - the daemons of a root, seen from outside: which are there, what
 * each is doing, stop it. No daemon needs to run for that.
 */
#ifndef AC_LIB_DAEMONS_H
#define AC_LIB_DAEMONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "wire/msg.h"

#define DAEMON_NAME_MAX	33	/* instance name and NUL: [A-Za-z0-9_-]{1,32} */

bool	daemon_name_ok(const char *) AC_NONNULL(1);

/* Root fd and the instance directory's fd; the caller's. -ENOENT: none. */
int	daemon_dir(const char *root, const char *instance, int *fd)
	    AC_NONNULL(2, 3) AC_MUST_CHECK;

struct daemon_status {
	char	 name[DAEMON_NAME_MAX];
	pid_t	 pid;			/* 0: not running; -1: it runs in
					   another pid namespace */
	bool	 crashed;		/* it ended without goodbye */
	struct buf json;		/* status.json as it stands, or empty */
};
void	daemon_status_fini(struct daemon_status *) AC_NONNULL(1);
/* -ENOENT: no such instance. */
int	daemon_status(const char *root, const char *instance,
	    struct daemon_status *) AC_NONNULL(2, 3) AC_MUST_CHECK;

/*
 * Append it as one JSON object on a line: {"instance","running","pid"?,
 * "state",...}, the rest as the daemon wrote it last to status.json.
 */
void	daemon_status_json(const struct daemon_status *, struct buf *)
	    AC_NONNULL(1, 2);

/*
 * The state in a word, of st and its status.json parsed: what a stopped
 * daemon wrote last is history, only its end is true now.
 */
const char *daemon_status_word(const struct daemon_status *,
	    const struct wire_msg *facts) AC_NONNULL(1, 2);

/* Parse status.json; all members are absent where there is none. */
void	daemon_status_facts(const struct daemon_status *,
	    struct wire_msg *facts) AC_NONNULL(1, 2);

/* fn for every instance in name order; its non-zero result ends the walk. */
typedef int daemon_list_fn(void *arg, const struct daemon_status *);
int	daemon_list(const char *root, daemon_list_fn *, void *arg)
	    AC_NONNULL(2) AC_MUST_CHECK;

/*
 * SIGTERM, and wait until it has let go of the lock. -ESRCH: not running;
 * -ETIMEDOUT: it did not end in time (it is not killed harder). -EPERM: it is
 * in another pid namespace, or not ours.
 */
int	daemon_stop(const char *root, const char *instance, int64_t timeout_ms)
	    AC_NONNULL(2) AC_MUST_CHECK;

#endif
