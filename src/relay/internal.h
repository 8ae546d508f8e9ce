/*
 * internal.h - the relay's state, and how a message goes through it.
 *
 *	listen.c	libwebsockets' callbacks, the loop, signals
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
#include "ident/ident.h"
#include "ledger/ledger.h"
#include "relay/rec.h"
#include "relay/relay.h"
#include "relay/store.h"
#include "spool/spool.h"
#include "wire/limits.h"
#include "wire/msg.h"

struct lws;
struct peer;
struct challenge;
struct verify;

#define RELAY_SERVER_ID	"@server"	/* the operator's voice */
#define DEDUPE_MAX	1000
#define DEDUPE_LEAST	64		/* remembered however full memory is */
#define MAILBOX_MAX	1000		/* messages */
#define MAILBOX_BYTES	(1 << 20)
#define CHANNELS_PER_PEER 100
#define CHANNELS_MAX	100000		/* a spool that CREATE_CHANNEL fills */
#define FREE_JOINS	100
#define IDENTIFY_MS	10000
#define CHALLENGE_MS	30000
#define HELD_MS		10000
#define PUMP_BYTES	(64 << 10)	/* of a replay queued at a time */
#define CLOSE_MS	5000		/* for a closing peer to take its last bytes */
#define SLOW_BYTES	(256 << 10)
#define SLOW_MS		10000

/* ---- mem.c: what strangers make the relay keep, below --max-memory */

enum mem_use { MEM_NOTHING, MEM_LIVE, MEM_STATE };

#define MEM_ALLOC	16	/* what the heap needs for itself each time */
#define MEM_SLOT	96	/* of a struct map, per entry, as it doubles */

void	mem_init(int64_t max);	/* bytes; 0: no limit, as without */
/* So many bytes more, or less, are kept. */
void	mem_grow(int64_t bytes);
uint64_t mem_used(void);
/*
 * May more be kept? MEM_STATE: for ever, as keys and channels are; MEM_LIVE:
 * what sessions need to go on talking, for which some is held back.
 */
bool	mem_has_room(enum mem_use) AC_MUST_CHECK;
#define MEM_FULL	"The relay's memory is full: try again later."
/* How long the frames of one turn may get before they are sent. */
size_t	mem_portion(void);

/* ---- dedupe: the newest ids of one sender (dedupe.c) */

struct known {			/* enough to confirm it once more */
	uint64_t	body;		/* hash: tells a resend from another */
	uint64_t	j, seq, number;
	int64_t		ts;
};
struct dedupe {
	uint64_t	*hash;		/* of the ids; NULL until the first */
	struct known	*known;
	unsigned	 count, next, cap;
};
/* What is known of the id with this hash, or NULL. Borrowed. */
const struct known *dedupe_find(const struct dedupe *, uint64_t hash)
	    AC_NONNULL(1);
int	dedupe_add(struct dedupe *, uint64_t hash, const struct known *)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
/* The i-th oldest, 0 .. count - 1: an index into both arrays. */
unsigned dedupe_at(const struct dedupe *, unsigned i) AC_NONNULL(1);
void	dedupe_undo(struct dedupe *) AC_NONNULL(1);	/* the newest */
/* Add what from knows; from is empty then. What doesn't fit is forgotten. */
void	dedupe_merge(struct dedupe *to, struct dedupe *from)
	    AC_NONNULL(1, 2);
void	dedupe_fini(struct dedupe *) AC_NONNULL(1);
/* FNV-1a, 64 bits: h is 0 for the first part, then what came back. */
uint64_t dedupe_hash(uint64_t h, const char *, size_t len) AC_NONNULL(2);

/* ---- agents: keys that have proved themselves; kept for ever (agent.c) */

struct letter {				/* in a mailbox */
	TAILQ_ENTRY(letter) next;
	uint64_t	 seq, pos;
	uint32_t	 len;		/* bytes it counts for */
	char		 from[IDENT_ID_MAX];
};

struct agent {
	unsigned char	 key[IDENT_KEY_LEN];
	char		 id[IDENT_ID_MAX];
	uint8_t		 id_len;
	bool		 bound;		/* its proofs name this relay, always */
	struct dedupe	 dedupe;
	/* mailbox */
	TAILQ_HEAD(mailbox_head, letter) letters;
	uint64_t	 mailbox_seq;	/* last given */
	int64_t		 mailbox_ts;
	size_t		 count, bytes;
	uint64_t	 pos;		/* of its newest AGENT record */
};

/* ---- channels (chan.c) */

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

/* ---- peers (peer.c) */

/*
 * What a peer still has to be sent. Frames of this loop turn are shared: they
 * lie in relay->shared and a peer notes which parts are its. What can't be
 * sent at the end of the turn is copied to own, and goes first.
 */
enum share {			/* so that what goes to many lies side by side */
	SHARE_MSG,		/* messages */
	SHARE_TELL,		/* who came and went */
	SHARE_REPLY,		/* what one peer gets */
	SHARES
};
#define SENDQ_PARTS 8
struct sendq {
	size_t		 len;		/* bytes waiting, all in all */
	struct buf	 own;
	size_t		 counted;	/* of own, in mem.c */
	size_t		 held;	/* bytes that libwebsockets couldn't write yet */
	unsigned	 nparts;
	struct sendq_part {
		uint32_t	off, len;
		enum share	share;
	}		 parts[SENDQ_PARTS];
};

enum peer_state {
	PEER_NEW,		/* has to IDENTIFY */
	PEER_HELD,		/* identified, WELCOME waits for the proof */
	PEER_KNOWN,
	PEER_CLOSING,		/* takes its last bytes */
	PEER_STATES
};

struct bucket {			/* rate.c */
	double		 tokens;
	int64_t		 at_ms;
};

struct peer {
	struct relay	*relay;
	struct lws	*wsi;
	enum peer_state	 state;
	uint64_t	 serial;	/* of this relay's life */
	char		 id[IDENT_ID_MAX];
	uint8_t		 id_len;
	char		 name[WIRE_NAME_MAX + 1];
	char		 address[46];
	struct agent	*agent;		/* verified: the key's owner */
	bool		 has_key, verified;
	bool		 cap_ack, cap_stored;
	unsigned char	 key[IDENT_KEY_LEN];
	struct challenge *challenge;	/* auth.c's, while one is open */
	struct bucket	 bucket;
	unsigned	 joins;
	LIST_HEAD(, member) in;
	unsigned	 chans;
	struct dedupe	 dedupe;	/* for sessions without agent */
	uint64_t	 letters;	/* mailbox_seq of the last one queued */
	const char	*presence;	/* SET_PRESENCE; static, NULL: online */
	uint64_t	 mark;		/* last time it was told something once */
	int64_t		 nick_ms;	/* last SET_NICK */

	struct buf	 in_buf;	/* a message that came in pieces */
	struct sendq	 q;
	bool		 dirty;		/* on relay->dirty */
	bool		 behind;	/* pump again when the queue is empty */
	bool		 mail_behind;	/* not all letters are queued yet */
	uint64_t	 unstored;	/* j of its newest message; 0: all stored */
	TAILQ_ENTRY(peer) unstoreds;
	int64_t		 since_ms;	/* of the state */
	int64_t		 slow_ms;	/* queue is long since; 0: it isn't */
	TAILQ_ENTRY(peer) slows;
	LIST_ENTRY(peer) all;
	TAILQ_ENTRY(peer) dirties;
	TAILQ_ENTRY(peer) waiting;	/* NEW, HELD, CLOSING: for the timer */
	TAILQ_ENTRY(peer) looks;	/* by look_ms: is it still there? */
	int64_t		 look_ms;
	uint8_t		 silent;	/* looks since it was last heard */
	size_t		 written;	/* bytes since the last look */
	bool		 is_waiting;
	bool		 is_unidentified; /* counted as such for its address */
};

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
	struct loop_ctx	*loop;		/* listen.c's */
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

/* ---- turn.c */

int	turn_new(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
void	turn_free(struct relay *) AC_NONNULL(1);

/*
 * Note a message: head and head->json (borrowed for the call) become a record
 * of the batch and, once that is written, a frame to the channel's members or
 * the target. from: the sender's session, or NULL for the operator.
 * -ENOMEM, and nothing was noted.
 */
int	turn_msg(struct relay *, struct chan *, struct peer *from,
	    const struct rec_head *) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
/*
 * The same for a DM. agent: whose mailbox it goes through, or NULL; target: a
 * session to deliver to, or NULL (away).
 */
int	turn_dm(struct relay *, struct agent *, struct peer *target,
	    struct peer *from, const struct rec_head *)
	    AC_NONNULL(1, 5) AC_MUST_CHECK;
/* Any other record, from relay->rec; *pos (may be NULL): where it will be. */
int	turn_record(struct relay *, enum store_type, uint64_t *pos)
	    AC_NONNULL(1) AC_MUST_CHECK;
/* Something that belongs to the batch is missing: nothing of it is written. */
void	turn_break(struct relay *) AC_NONNULL(1);
/*
 * Write what was noted, then queue its frames. If it can't be written, every
 * sender of the batch is refused (RATE_LIMITED: it may try again) and the
 * state is as if nothing had been sent; then the errno is returned.
 */
int	turn_commit(struct relay *) AC_NONNULL(1);
/* Commit, flush the peers. At the end of each loop turn. */
void	turn_end(struct relay *) AC_NONNULL(1);
/* This peer is to hear when the record before position j is stored. */
void	turn_owe_stored(struct relay *, struct peer *, uint64_t j)
	    AC_NONNULL(1, 2);
/* A sync has ended: STORED to those it is owed to. */
void	turn_synced(struct relay *) AC_NONNULL(1);
/* Append an object without its closing brace, for more members. */
void	turn_open(struct buf *out, const char *json, size_t len)
	    AC_NONNULL(1, 2);

/* ---- peer.c */

struct peer *peer_new(struct relay *, struct lws *) AC_NONNULL(1, 2);
/* The socket is gone: leave everything, tell the others, free. */
void	peer_gone(struct peer *) AC_NONNULL(1);
/* Leave every channel and the id, telling the others. */
void	peer_leave_all(struct peer *) AC_NONNULL(1);
/*
 * Queue one JSON text as a frame. Over the queue's bound, or out of memory,
 * the peer is closed: it never gets half of what it should.
 */
void	peer_put(struct peer *, const char *json, size_t len)
	    AC_NONNULL(1, 2);
/* Queue a part of relay->shared that holds whole frames. */
void	peer_put_shared(struct peer *, enum share, size_t off, size_t len)
	    AC_NONNULL(1);
/* Queue what relay->json holds, and clear it. */
void	peer_reply(struct peer *) AC_NONNULL(1);
/* The same for a long series to one peer, such as a replay: not shared. */
void	peer_reply_own(struct peer *) AC_NONNULL(1);
/* Append a frame to relay->shared; its place. Failure shows in buf_err(). */
size_t	peer_share(struct relay *, enum share, const char *json, size_t len,
	    size_t *frame_len) AC_NONNULL(1, 3, 5);
/* ERROR. text NULL: the code's own sentence; re: from relay->msg's id. */
void	peer_error(struct peer *, int rc, const char *text) AC_NONNULL(1);
/* The same with the id that it answers ("" for none). */
void	peer_error_re(struct peer *, int rc, const char *text, const char *re)
	    AC_NONNULL(1, 4);
/* Stop listening to it; close with a WebSocket status once it is flushed. */
void	peer_close(struct peer *, uint16_t code, const char *why)
	    AC_NONNULL(1, 3);
/* The same without what is queued. */
void	peer_drop(struct peer *, uint16_t code, const char *why)
	    AC_NONNULL(1, 3);
/* Write the queue with one call; close what can't be written. */
void	peer_flush(struct peer *) AC_NONNULL(1);
/* The socket can be written again. */
void	peer_writable(struct peer *) AC_NONNULL(1);
size_t	peer_queued(const struct peer *) AC_NONNULL(1);
void	peer_forget_input(struct peer *) AC_NONNULL(1);
void	peer_set_state(struct peer *, enum peer_state) AC_NONNULL(1);
/* The 1 s timer: late identification, slow readers, closing and dead ones. */
void	peer_tick(struct relay *, int64_t now_ms) AC_NONNULL(1);
/* A server's frame header for len bytes into out (10 bytes); its length. */
size_t	peer_frame_header(unsigned char out[10], size_t len) AC_NONNULL(1);

/* ---- listen.c: what peer.c needs of libwebsockets */

int	listen_write(struct peer *, const char *frames, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;	/* -1: dead */
bool	listen_choked(const struct peer *) AC_NONNULL(1);
void	listen_want_write(struct peer *) AC_NONNULL(1);
void	listen_kill(struct peer *) AC_NONNULL(1);

void	listen_wake(struct relay *) AC_NONNULL(1);	/* a sync has ended */
/* Change by how much an address has open. */
void	address_count(struct relay *, const char *text, int sessions,
	    int unidentified) AC_NONNULL(1, 2);

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

/* ---- rate.c */

void	bucket_init(struct bucket *, const struct relay_conf *)
	    AC_NONNULL(1, 2);
/* Take cost tokens if they are there. rate 0: no limit. */
bool	bucket_take(struct bucket *, const struct relay_conf *, double cost)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

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

/* ---- agent.c, mailbox.c */

struct agent *agent_by_id(struct relay *, const char *id, size_t len)
	    AC_NONNULL(1, 2);
struct agent *agent_by_key(struct relay *,
	    const unsigned char key[IDENT_KEY_LEN]) AC_NONNULL(1, 2);
int	agent_new(struct relay *, const char *id, size_t len,
	    const unsigned char key[IDENT_KEY_LEN], struct agent **)
	    AC_NONNULL(1, 2, 4, 5) AC_MUST_CHECK;
/* Take it out of the maps and free it: its record was not written. */
void	agent_forget(struct relay *, struct agent *) AC_NONNULL(1, 2);
void	agent_free(struct agent *);
/* Its letters up to seq have arrived: forget them, durably. */
void	agent_ack(struct relay *, struct agent *, uint64_t seq)
	    AC_NONNULL(1, 2);
/* The id of a key: what it owns, else 8 digits, else 16 if those are taken. */
void	agent_id_for_key(struct relay *, const unsigned char key[IDENT_KEY_LEN],
	    char out[IDENT_ID_MAX]) AC_NONNULL(1, 2, 3);

/* May one more from this sender of len bytes go in? */
bool	mailbox_has_room(const struct agent *, const char *from, size_t len)
	    AC_NONNULL(1, 2);
int	mailbox_add(struct agent *, uint64_t seq, uint64_t pos,
	    const char *from, size_t from_len, size_t len)
	    AC_NONNULL(1, 4) AC_MUST_CHECK;
/* The same for a letter of the past, whose record may have moved. */
int	mailbox_place(struct agent *, uint64_t seq, uint64_t pos,
	    const char *from, size_t from_len, size_t len)
	    AC_NONNULL(1, 4) AC_MUST_CHECK;
void	mailbox_undo(struct agent *) AC_NONNULL(1);	/* the newest */
/* Take one out and free it. */
void	mailbox_drop(struct agent *, struct letter *) AC_NONNULL(1, 2);
/* Everything up to seq is with its reader; 1 if that changed anything. */
int	mailbox_ack(struct agent *, uint64_t seq) AC_NONNULL(1);
/*
 * Queue the next part of the letters that a verified peer hasn't been sent. As
 * with history, new ones wait their turn while it is behind (mail_behind).
 */
void	mailbox_pump(struct peer *) AC_NONNULL(1);

/* ---- work.c: the newest proposals, and what has become of them */

struct work {
	char		 id[PROPOSAL_ID_MAX];
	enum proposal_status status;	/* never EXPIRED: see work_status() */
	char		 from[IDENT_ID_MAX], to[IDENT_ID_MAX];
	unsigned char	 key[2][IDENT_KEY_LEN];	/* proposer's, recipient's */
	char		 sig[IDENT_SIG_MAX];	/* of the PROPOSAL */
	int64_t		 expires_ms;		/* 0: never */
	double		 amount;
	uint64_t	 pos[3];		/* records of its steps; 0: none */
	uint64_t	 again[3];		/* what tells their resends */
	char		 prev[65];		/* hash of the newest step */
	struct work	*same;		/* another with this sig */
	TAILQ_ENTRY(work) next;
};

int	works_open(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
void	works_close(struct relay *) AC_NONNULL(1);
struct work *work_by_id(struct relay *, const char *, size_t len)
	    AC_NONNULL(1, 2);
/* One of those whose PROPOSAL has this sig; ->same leads to the others. */
struct work *work_by_sig(struct relay *, const char *, size_t len)
	    AC_NONNULL(1, 2);
/* Add one (copied), perhaps in place of the oldest. -EDQUOT: no room. */
int	work_add(struct relay *, const struct work *, struct work **)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
void	work_forget(struct relay *, struct work *) AC_NONNULL(1, 2);
/* The step at pos, whose text has this hash, has been made. */
void	work_made(struct relay *, struct work *, enum wire_type,
	    enum proposal_status, const struct rec_work *, const char *hash,
	    uint64_t pos) AC_NONNULL(1, 2, 5, 6);
struct work *work_next(struct relay *, size_t *at) AC_NONNULL(1, 2);
enum proposal_status work_status(const struct work *, int64_t now_ms)
	    AC_NONNULL(1);
enum proposal_party work_party(const struct work *,
	    const unsigned char key[IDENT_KEY_LEN]) AC_NONNULL(1, 2);
/* Append the object of a step that was made. */
int	work_read(struct relay *, const struct work *, int place, struct buf *)
	    AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
/* A WORK record, at start. */
int	work_replay(struct relay *, uint64_t pos, const void *body, size_t len)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
uint8_t	work_step_number(enum wire_type);
enum wire_type work_step_type(uint8_t number);	/* WIRE_NONE: no step */

/* ---- reputation.c: ratings of what this relay has carried */

int	reputation_open(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
void	reputation_close(struct relay *) AC_NONNULL(1);
/*
 * A deal ends, by whom: rate it, and put the records of that into the batch.
 * reputation_undo(): the batch was not written.
 */
int	reputation_rate(struct relay *, const struct work *, enum wire_type,
	    enum proposal_party by, int64_t ts) AC_NONNULL(1, 2) AC_MUST_CHECK;
void	reputation_undo(struct relay *) AC_NONNULL(1);
/* A RATED or PAIR record, at start. */
int	reputation_replay(struct relay *, enum store_type, struct rec *,
	    uint64_t pos) AC_NONNULL(1, 3) AC_MUST_CHECK;
/* Walk the positions of all such records; *type: STORE_RATED at first. */
uint64_t *reputation_next(struct relay *, enum store_type *type, size_t *at)
	    AC_NONNULL(1, 2, 3);
/* "ratings" of AGENTS, appended to relay->json; nothing without. */
void	reputation_put_members(struct relay *, const struct chan *)
	    AC_NONNULL(1, 2);

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
