/*
 * roster.h - who is in a channel: the file `agents`, one "@id name" per line,
 * and behind that how the agent is, if it is not just online.
 */
#ifndef AC_DAEMON_ROSTER_H
#define AC_DAEMON_ROSTER_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/map.h"
#include "wire/msg.h"

/* Ids and names come from the network: what isn't one is left out. */
void	roster_fini(struct map *) AC_NONNULL(1);	/* empty, and usable */
void	roster_fill(struct map *, const struct wire_msg *joined)
	    AC_NONNULL(1, 2);
void	roster_add(struct map *, const char *id, const char *name)
	    AC_NONNULL(1);
void	roster_del(struct map *, const char *id) AC_NONNULL(1);
/* True if the agent is in it. */
bool	roster_rename(struct map *, const char *id, const char *name)
	    AC_NONNULL(1);
/* What SET_PRESENCE said. True if the agent is in it and was otherwise. */
bool	roster_presence(struct map *, const char *id, const char *presence)
	    AC_NONNULL(1);
/* Replace dir/agents, sorted by id. */
int	roster_write(const struct map *, int dir) AC_NONNULL(1) AC_MUST_CHECK;

#endif
