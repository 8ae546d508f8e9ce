/*
 * daemon.h - one connection, one spool directory: the instance, its life and
 * what can be asked about it from outside.
 */
#ifndef AC_DAEMON_DAEMON_H
#define AC_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "lib/daemons.h"

struct daemon_conf {
	const char	*server;	/* URL */
	const char	*root;		/* --dir, or NULL */
	const char	*instance;	/* --name, default "default" */
	const char	*identity;	/* -i, or NULL */
	const char	*pass;		/* of a locked identity, or NULL */
	size_t		 pass_len;
	const char	*ca_file;	/* or NULL */
	const char *const *channels;	/* "#a", "#b", NULL; borrowed */
	bool		 ephemeral;
	uint64_t	 max_spool;	/* bytes on disk; 0: no limit */
	bool		 poll;		/* don't use inotify */
	int		 ready_fd;	/* -1; else a line of JSON goes there
					   once connected or failed */
};

/*
 * Run until SIGTERM or SIGINT: 0. Errors before the loop: -EBUSY (another
 * daemon has the instance), -EACCES, -ENOKEY (the identity is locked, and
 * there is no pass), ...; *why is a sentence, owned by the
 * caller (free). With ready_fd, a first connection that fails ends it with
 * -ECONNREFUSED or its like; without, it is tried for ever.
 */
int	daemon_run(const struct daemon_conf *, char **why)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ---- from outside (trust.c; the rest is in lib/daemons.h) */

/*
 * The key that an instance knows as the id's owner (known_agents), running or
 * not. -ENOENT: none; -EINVAL: the file is broken; ...
 */
#define DAEMON_KEY_LEN	32
int	daemon_known_key(const char *root, const char *instance,
	    const char *id, unsigned char key[DAEMON_KEY_LEN])
	    AC_NONNULL(2, 3, 4) AC_MUST_CHECK;

/*
 * Look at an instance, running or not, and tell what is wrong: check.h. 0 if
 * it could be looked at; -ENOENT: no such instance; -EBUSY: it runs, and
 * can't be mended.
 */
struct check;
struct daemon_counts {
	size_t	boxes, unread, read, waiting, sent, failed, quarantined;
};
int	daemon_check(const char *root, const char *instance, struct check *,
	    struct daemon_counts *) AC_NONNULL(2, 3, 4) AC_MUST_CHECK;

#endif
