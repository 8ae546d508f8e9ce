/*
 * chan.h - channels: who is in them, and what was said.
 */
#ifndef AC_RELAY_CHAN_H
#define AC_RELAY_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/map.h"
#include "ident/ident.h"
#include "wire/limits.h"
#include "wire/msg.h"

struct peer;
struct relay;
struct relay_conf;
struct view;

#define CHANNELS_PER_PEER 100
#define CHANNELS_MAX	100000		/* a spool that CREATE_CHANNEL fills */
#define FREE_JOINS	100
#define PUMP_BYTES	(64 << 10)	/* of a replay queued at a time */

struct member {				/* a peer in a channel */
	struct peer	*peer;
	struct chan	*chan;
	size_t		 at;		/* index in chan->members */
	uint64_t	 next_seq;	/* replay goes on here; 0: it is live */
	uint64_t	 replay_to;	/* last seq marked as replay */
	LIST_ENTRY(member) of_peer;
};

struct chan {
	char		 name[WIRE_CHANNEL_MAX + 1];
	uint8_t		 name_len;
	bool		 invite_only;
	struct member	**members;
	size_t		 count, cap;
	struct buf	 ids, names;	/* the members as JSON; appended to... */
	struct buf	 presences;
	bool		 listed;	/* ...while nobody leaves or changes */
	struct map	 invited;	/* struct invite by agent id or serial */
	uint64_t	 seq;		/* of the last message */
	int64_t		 ts;
	uint64_t	 state_pos;	/* of its newest CHAN record */
	/* history: positions of the newest messages, seq - depth + 1 .. seq */
	uint64_t	*pos;		/* ring, indexed by seq % pos_cap */
	size_t		 pos_cap, depth;
	struct view	*view;		/* its ring while that is open */
	uint64_t	 viewed;	/* seq up to which the ring is written */
	bool		 on_views, view_known;
	TAILQ_ENTRY(chan) views;
};

struct invite {
	char		 who[IDENT_ID_MAX];
};

/* ---- chan.c */

struct chan *chan_find(struct relay *, const char *name, size_t len)
	    AC_NONNULL(1, 2);
/* Private ones are nobody's business, their number neither. */
size_t	chan_count_public(const struct relay *) AC_NONNULL(1);
/* Made in memory only; -EEXIST, -ENOMEM. */
int	chan_new(struct relay *, const char *name, size_t len, bool invite_only,
	    struct chan **) AC_NONNULL(1, 2, 5) AC_MUST_CHECK;
void	chan_free(struct chan *);
struct member *chan_member(const struct chan *, const struct peer *)
	    AC_NONNULL(1, 2);
int	chan_add(struct chan *, struct peer *, struct member **)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
void	chan_remove(struct member *) AC_NONNULL(1);
/* To every member but one (may be NULL): relay->json, which is cleared. */
void	chan_tell(struct relay *, struct chan *, const struct peer *except)
	    AC_NONNULL(1, 2);
/* What JOINED and AGENTS say of the members, appended to relay->json. */
void	chan_put_members(struct relay *, struct chan *, enum wire_field)
	    AC_NONNULL(1, 2);
/* A member has another name or presence. */
void	chan_unlist(struct chan *) AC_NONNULL(1);
/*
 * who: the id of an agent, whose key may use the invitation from any session,
 * or invite_serial() of one live session.
 */
int	chan_invite(struct chan *, const char *who) AC_NONNULL(1, 2)
	    AC_MUST_CHECK;
void	invite_serial(const struct peer *, char out[IDENT_ID_MAX])
	    AC_NONNULL(1, 2);
bool	chan_invited(const struct chan *, const struct peer *)
	    AC_NONNULL(1, 2);
/* May this peer know that the channel is there? */
bool	chan_visible(const struct chan *, const struct peer *)
	    AC_NONNULL(1, 2);

/* ---- history.c */

int	history_add(struct chan *, const struct relay_conf *, uint64_t pos)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;	/* for chan->seq */
void	history_undo(struct chan *) AC_NONNULL(1);	/* the newest */
/* Of what lies below end, and all before it, nothing is history any more. */
void	history_forget(struct chan *, uint64_t end) AC_NONNULL(1);
/*
 * A message of the past whose record is at another position now. What isn't
 * known yet between it and the newest is missing until it is placed too.
 */
int	history_place(struct chan *, const struct relay_conf *, uint64_t seq,
	    uint64_t pos) AC_NONNULL(1, 2) AC_MUST_CHECK;
uint64_t history_first(const struct chan *) AC_NONNULL(1);
/* Queue the next part of a member's replay; live when it has caught up. */
void	history_pump(struct member *) AC_NONNULL(1);
void	history_pump_peer(struct peer *) AC_NONNULL(1);

#endif
