/*
 * relay.h - the relay, as the command sees it.
 */
#ifndef AC_RELAY_RELAY_H
#define AC_RELAY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum relay_sync { RELAY_SYNC_GROUP, RELAY_SYNC_INTERVAL, RELAY_SYNC_NEVER };

struct relay_conf {
	const char	*host;		/* address to bind; "0.0.0.0" */
	int		 port;		/* 0: any, printed on stdout */
	const char	*name;		/* WELCOME's server */
	const char	*spool;		/* directory; NULL: <root>/relay */
	const char	*root;		/* --dir, or NULL */
	double		 rate;		/* messages per second and session; 1 */
	double		 burst;		/* 10 */
	int64_t		 replay;	/* --buffer-size: messages after JOIN; 20 */
	int64_t		 history;	/* kept per channel for since; 20000 */
	int64_t		 segment_len;	/* bytes of a journal file; 64 MiB */
	int64_t		 max_spool;	/* bytes of the journal; 0: no limit */
	int64_t		 max_memory;	/* bytes; 0: no limit; 1 GiB */
	int64_t		 queue_max;	/* bytes per peer; 1 MiB */
	int64_t		 content_max;	/* UTF-16 units; 4096 */
	int64_t		 frame_max;	/* bytes; 64 KiB */
	int64_t		 idle_ping_ms;	/* silence before a ping; 25 s */
	int64_t		 max_connections; /* 0: what descriptors allow */
	int64_t		 max_per_address; /* 0: no limit */
	int64_t		 max_unidentified; /* per address; 16 */
	enum relay_sync	 sync;
	bool		 repair;	/* mend a damaged journal */
	bool		 log_messages;	/* bodies into the log, for research */
	bool		 require_verified;
	bool		 reputation;	/* rate what is completed here */
	const char *const *public_names; /* "host:port", NULL-ended; or NULL */
	bool		 require_bound;	/* every proof must give one of them */
	const char	*admin_key_file; /* for ADMIN_*; NULL: nobody may */
	const char	*cert, *key;	/* PEM files, both or neither */
};

/* The defaults named above; pointers NULL. */
void	relay_conf_init(struct relay_conf *) AC_NONNULL(1);

/*
 * Serve until SIGTERM or SIGINT: 0. Before it serves: a negative errno
 * (-EADDRINUSE, -EUCLEAN: damaged journal, ...) and *why, a sentence, freed
 * by the caller. Prints one line to stdout when it listens:
 * {"listening":"ws://127.0.0.1:6667","spool":"..."}
 */
int	relay_run(const struct relay_conf *, char **why)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/*
 * Look at a relay's spool (of conf, spool and root count), in use or not, and
 * tell what is wrong: check.h. 0 if it could be looked at; -ENOENT: none is
 * there; -EBUSY: it is in use, and can't be mended.
 */
struct check;
struct relay_counts {
	uint64_t	records;	/* of the journal */
	size_t		channels, messages;
};
int	relay_check(const struct relay_conf *, struct check *,
	    struct relay_counts *) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

#endif
