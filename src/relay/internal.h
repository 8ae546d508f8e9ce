/*
 * internal.h - the relay's state, and how a message goes through it.
 *
 *	listen.c	libwebsockets' callbacks; loop.c has the loop, and signals
 *	peer.c		a session: what it still has to be sent, how it ends
 *	dispatch.c	bytes -> message -> handler -> ERROR
 *	on_*.c		handlers: what each message does
 *	turn.c		what a loop turn has decided, written, then told
 *	chan.c agent.c history.c mailbox.c work.c reputation.c	state
 *	restore.c	state out of the store's records
 *
 * A loop turn. Handlers never send what must not be lost: they append a record
 * to the store's batch and note who is to hear of it (turn_*). turn_commit()
 * writes the batch with one write, and only then copies the frames to the
 * peers' queues; turn_end() flushes each peer that has something with one
 * write. So nobody sees a message that a crash could take back, and a
 * thousand members cost a thousand writes, not a thousand a message. A handler
 * that reads or changes membership, or answers with what depends on order,
 * calls turn_commit() first.
 *
 * Replies that need no record (PONG, lists, ERROR) are queued at once with
 * peer_put(), after a turn_commit() where their order to messages matters.
 */
#ifndef AC_RELAY_INTERNAL_H
#define AC_RELAY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "relay/agent.h"
#include "relay/chan.h"
#include "relay/dedupe.h"
#include "relay/mem.h"
#include "relay/peer.h"
#include "relay/relay.h"
#include "relay/store.h"
#include "relay/turn.h"
#include "relay/work.h"
#include "spool/spool.h"
#include "wire/msg.h"

struct verify;

#define RELAY_SERVER_ID	"@server"	/* the operator's voice */
#define CHALLENGE_MS	30000

enum drop {			/* why the relay ended a session, or had none */
	DROP_SLOW, DROP_MEMORY, DROP_SILENT, DROP_DEAD, DROP_PROTOCOL,
	DROP_REFUSED,
	DROP_REASONS
};

struct metrics {		/* counters since the start (metrics.c) */
	uint64_t	connections, messages, deliveries, auth_failures;
	uint64_t	received, sent;	/* of any type, by and to sessions */
	uint64_t	refusals[AC_ORD_COUNT];
	uint64_t	drops[DROP_REASONS];
};

struct relay {
	struct relay_conf conf;
	struct metrics	 metrics;
	struct loop_ctx	*loop;		/* loop.c's */
	struct spool	*spool;
	struct store	*store;
	char		 epoch[16];
	char		 spool_id[16];	/* the first epoch: msg_ids begin with it */
	char		 boot[40];	/* of the machine, when the epoch began */
	uint64_t	 epoch_pos;	/* of its record */
	uint64_t	 clean_to;	/* segment being emptied ends here; 0: none */
	bool		 may_exceed;	/* --max-spool, by a little */
	int64_t		 full_ms;	/* when it was last said; 0: never */
	uint64_t	 clean_sync;	/* gone when this is synced; 0: not yet */
	uint64_t	 number;	/* messages ever */
	struct map	 chans;		/* by name */
	struct map	 agents;	/* by id */
	struct map	 keys;		/* agents by key */
	struct map	 online;	/* KNOWN and HELD peers by id */
	struct map	 addresses;	/* listen.c's, by text */
	LIST_HEAD(, peer) peers;
	TAILQ_HEAD(, peer) dirty;
	TAILQ_HEAD(, peer) waiting;
	TAILQ_HEAD(, peer) looks;	/* all, who is next first */
	TAILQ_HEAD(, peer) slow;	/* whose slow_ms is set */
	TAILQ_HEAD(, peer) unstored;	/* peers that a STORED is owed to */
	TAILQ_HEAD(, chan) views;	/* channels whose ring is behind */
	TAILQ_HEAD(, view) open_views;	/* rings, last used last */
	size_t		 nviews;
	size_t		 npeers;
	uint64_t	 serials, marks;
	uint64_t	 stored;	/* synced position */
	struct wire_msg	 msg;		/* the one being handled */
	struct buf	 json, rec, scratch;
	struct buf	 shared[SHARES]; /* frames of this turn */
	struct buf	 flush;		/* what one peer gets, in one run */
	struct turn	*turn;
	struct access	*access;
	TAILQ_HEAD(, verify) verifies;	/* oldest first */
	size_t		 nverifies;
	struct operator	*operator;
	struct works	*works;
	struct reputation *reputation;
	struct dedupe	 said;		/* the operator's ids */
	unsigned	 ticks;		/* seconds of this life */
	bool		 started;	/* the store's thread runs */
	bool		 stopping;
	int		 fatal;		/* stop with this error */
};

/* ---- dispatch.c */

void	dispatch(struct peer *, const char *text, size_t len)
	    AC_NONNULL(1, 2);
/* Handlers return 0 or a refusal; relay->msg.why may hold the sentence. */
typedef int handler_fn(struct peer *, const struct wire_msg *);
handler_fn on_identify, on_verify_identity, on_ping;
handler_fn on_join, on_leave, on_create_channel, on_invite, on_list_channels,
    on_list_agents;
handler_fn on_msg, on_ack;
handler_fn on_verify_request, on_verify_response;
handler_fn on_admin_kick, on_admin_ban, on_admin_unban;
handler_fn on_set_presence, on_set_nick, on_typing;
handler_fn on_proposal, on_step, on_get_proposal;
handler_fn on_get_rating, on_leaderboard;

/*
 * A DM from p. content needs s, len and raw; m is the client's message or
 * NULL if we made it. 0 or a refusal.
 */
int	send_dm(struct peer *, const char *to, size_t len,
	    const struct wire_value *content, const struct wire_msg *m)
	    AC_NONNULL(1, 2, 4) AC_MUST_CHECK;

/* Refuse with a sentence of the moment: code back, text for peer_error(). */
int	refuse(struct peer *, int code, const char *fmt, ...)
	    AC_NONNULL(1, 3) AC_PRINTF(3, 4);

/* Take cost tokens from the session: 0 or RATE_LIMITED. */
int	charge(struct peer *, double cost) AC_NONNULL(1) AC_MUST_CHECK;

/* ---- auth.c: the proof of a key */

/* Send CHALLENGE. */
void	auth_challenge(struct peer *) AC_NONNULL(1);
/*
 * Is the answer in m good? 0 or a refusal. The challenge is spent. *bound: it
 * is tied to a name of this relay, and checked.
 */
int	auth_check(struct peer *, const struct wire_msg *, bool *bound)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
void	auth_fini(struct peer *) AC_NONNULL(1);

/* ---- record.c: state as records, whole, in relay->rec */

int	record_epoch(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
int	record_agent(struct relay *, struct agent *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	record_chan(struct relay *, struct chan *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ---- clean.c */

/*
 * Keep the journal in proportion to what is alive in it: move that out of the
 * oldest segment, a portion a call, and remove the segment when the copies
 * are synced.
 */
void	clean_tick(struct relay *) AC_NONNULL(1);
/* Is the journal so near to --max-spool that there is no second to lose? */
bool	clean_is_due(const struct relay *) AC_NONNULL(1);

/* ---- restore.c */

/* Open the store and rebuild the state; makes the default channels. */
int	restore(struct relay *, char **why) AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ---- access.c: the operator's lists */

/* -EINVAL: a list or the admin key can't be what it says. */
int	access_open(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
void	access_close(struct relay *) AC_NONNULL(1);
/* Read the lists again and end the sessions that they don't let in. */
void	access_reload(struct relay *) AC_NONNULL(1);
/* The same if a file has changed. */
void	access_tick(struct relay *) AC_NONNULL(1);
/* May this session, by what it claims to be, come in? 0 or a refusal. */
int	access_check(const struct peer *) AC_NONNULL(1) AC_MUST_CHECK;
/* Does WELCOME wait for the proof? */
bool	access_wants_proof(const struct relay *) AC_NONNULL(1);

/* ---- metrics.c */

/* Everything in Prometheus' text format, appended. */
void	metrics_print(struct buf *, const struct relay *) AC_NONNULL(1, 2);
const char *metrics_drop_word(enum drop);	/* label of a reason */

/* ---- tls.c */

/* Is this a certificate with its key? -EINVAL and *why, a sentence. */
int	tls_check(const char *cert, const char *key, char **why)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
/* Take the files as they are now, if they are good. */
void	tls_reload(struct relay *) AC_NONNULL(1);

/* ---- on_verify.c */

void	verify_tick(struct relay *, int64_t now_ms) AC_NONNULL(1);
void	verify_free_all(struct relay *) AC_NONNULL(1);

/* ---- view.c: rings and the operator's out/ in the relay's spool */

/* The channel has a new message: its ring follows soon. */
void	view_mark(struct relay *, struct chan *) AC_NONNULL(1, 2);
/* Write what is due; asks for another call if that was not all. */
void	view_flush(struct relay *) AC_NONNULL(1);
void	view_close_all(struct relay *) AC_NONNULL(1);

/* ---- operator.c: what is put into #channel/out/ of the relay's spool */

int	operator_open(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
int	operator_fd(const struct relay *) AC_NONNULL(1);	/* -1: only rescan */
/* The descriptor is readable. */
void	operator_read(struct relay *) AC_NONNULL(1);
/* Every second: what was not ready when it was looked at. */
void	operator_tick(struct relay *) AC_NONNULL(1);
/* Every 30 s, and when events were lost. */
void	operator_rescan(struct relay *) AC_NONNULL(1);
void	operator_close(struct relay *) AC_NONNULL(1);

/* ---- loop.c */

/* Call store_tick() in so many ms, if that isn't arranged for before. */
void	loop_sync_soon(struct relay *, int64_t ms) AC_NONNULL(1);
/* Call view_flush() in 100 ms. */
void	loop_view_soon(struct relay *) AC_NONNULL(1);

/* relay.c: open the relay's spool, made if create. */
int	relay_spool(const struct relay_conf *, bool create, struct spool **)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;

#endif
