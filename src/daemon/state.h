/*
 * state.h - the daemon's insides: one struct, and what each part offers the
 * others. Everything runs on the loop's thread but the workers' jobs.
 *
 *	start.c		identity, lock, directories; the loop; the end
 *	bridge.c	what the relay says and what files do, to whom it goes
 *	receive.c	message to staged file
 *	judge.c		who wrote it, and what is in its box
 *	trust.c once.c	whose key is whose; which boxes were opened before
 *	ask.c		the key of whom something is to be encrypted for
 *	publish.c	staged file to new/ (the order: spool/spool.h)
 *	batch.c		many of them together (batch.h)
 *	recover.c	what a crash left between two of those steps
 *	room.c		channels: join, leave, refusals, rosters
 *	resume.c	which message of a channel comes next
 *	collect.c	outbox.jsonl and out/ to the queue
 *	sender.c	queue to relay to receipt
 *	settle.c	receipts and views to disk, and items out of the queue
 *	work.c		proposals/, receipts and ratings (work.h)
 *	views.c		status.json, unread.md (digest.c)
 *	tick.c		what is due without anything happening
 *	readme.c	README, for who runs cat README
 */
#ifndef AC_DAEMON_STATE_H
#define AC_DAEMON_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/map.h"
#include "daemon/batch.h"
#include "daemon/cursor.h"
#include "daemon/daemon.h"
#include "daemon/item.h"
#include "daemon/seen.h"
#include "daemon/worker.h"
#include "lib/client.h"
#include "lib/loop.h"
#include "lib/pace.h"
#include "spool/spool.h"
#include "wire/msg.h"

/* ------------------------------------------------------------- receiving */

struct receiver {
	struct batch	 next, current;
	struct worker	*worker;	/* syncs the batch, then the cursor */
	bool		 moving;	/* or renames the files of a large one, */
	atomic_bool	 stop;		/* but not all of them */
	bool		 keeps_order;	/* spool_keeps_order() */
	size_t		 may_hold;	/* files, in one batch */
	struct loop_timer *kick;	/* start a batch */
	bool		 kicked;	/* that is on, and not to be hurried */
	size_t		 last_count;	/* of the last batch */
	size_t		 waited;	/* count of the next as it was put off */
	struct loop_timer *retry;	/* the disk was full */
	struct cursor	 cursor;	/* as in the file after this batch */
	bool		 cursor_dirty;
	size_t		 cursor_len;	/* of the file */
	/* The worker's while it is busy: */
	struct buf	 cursor_text;	/* to be appended, or */
	bool		 cursor_whole;	/* in place of the file */
	int		 cursor_rc;
	struct buf	 line;		/* of the message at hand */
	struct buf	 backlog;	/* lines that found the disk full */
	bool		 lost;		/* more came than the backlog holds */
	bool		 paused;
	bool		 full_logged;	/* until there is space */
	uint64_t	 local;		/* of the last one staged */
	uint64_t	 mailbox_seq;	/* the same */
	uint64_t	 published;	/* mailbox_seq, to acknowledge */
	bool		 ack_due;
	char		 mailbox_epoch[CURSOR_EPOCH_MAX];
	bool		 dm_check;	/* numbers began anew: look inside */
	struct seen	*dm_seen;	/* for that */
	struct once	*once;		/* encrypted ones that were had */
	unsigned	 changes;	/* log lines about changed keys */
	int		 odd;		/* log lines about hostile names */
};

/* -------------------------------------------------------------- settling */

/* Queue ids whose receipts are written, not yet durable. */
struct done_list {
	uint64_t	*ids;
	size_t		 count, cap;
};

struct settling {
	struct worker	*worker;	/* syncfs */
	struct loop_timer *timer;
	bool		 due;
	struct done_list next, current;
};

/* ---------------------------------------------------------------- rooms */

enum room_state {
	ROOM_OUT,		/* to be joined when there is a connection */
	ROOM_ASKED,		/* JOIN is sent */
	ROOM_MISSING,		/* the relay has none: to be created */
	ROOM_CREATING,		/* CREATE_CHANNEL is sent */
	ROOM_IN,
	ROOM_REFUSED
};

struct room {
	char		 name[SPOOL_BOX_MAX];
	struct spool_box *box;
	enum room_state	 state;
	int64_t		 since_ms;	/* mono: of that state */
	char		 epoch[CURSOR_EPOCH_MAX];
	uint64_t	 have;		/* seq of the last message staged */
	uint64_t	 top;		/* the channel's, when we joined anew */
	bool		 known;		/* have is a position to resume at */
	bool		 any;		/* take the next seq, whatever it is */
	bool		 asked_again;	/* a gap at have was asked for again */
	struct seen	*seen;		/* what is there already: resume.c */
	struct seen	*before;	/* what was, under the last numbering */
	struct map	 agents;	/* id to struct member */
	bool		 roster_dirty, ring_dirty;
	size_t		 unread;
	int64_t		 unread_mtime;	/* ms; of new/ when it was counted */
};

/* A channel that the relay has to be told we left. */
struct leaving {
	struct leaving	*next;
	char		 name[SPOOL_BOX_MAX];
};

/* --------------------------------------------------------------- sender */

#define FLIGHTS_MAX 64	/* sent and not yet stored, as the relay allows */

struct flight {
	uint64_t	 qid;
	enum wire_type	 type;
	char		 id[80];
	char		 target[SPOOL_BOX_MAX];
	char		 name[SPOOL_NAME_MAX];
	char		 content_key[65];
	char		 msg_id[129];
	int64_t		 queued_ms, ts;
	uint64_t	 seq, j;
	uint64_t	 ping;		/* the PONG that says: no ERROR came */
	bool		 again;		/* was RATE_LIMITED: send it again */
	int64_t		 sent_ms;	/* mono */
};

struct outgoing {
	struct spool_queue *queue;
	struct worker	*worker;	/* fdatasync of the queue */
	int		 sync_fd;	/* the worker's while it is busy */
	struct flight	 flight[FLIGHTS_MAX];
	size_t		 count;
	uint64_t	 upto;		/* the last queue id taken up */
	uint64_t	 stored;	/* highest STORED of this session */
	uint64_t	 pings, pongs;
	struct buf	 reply;		/* what answered the line in flight */
	struct pace	 pace;
	struct loop_timer *pump, *intake, *drop;
	struct item	 item;
	struct buf	 body;
	unsigned	 receipts;	/* since the last trim */
	int		 outbox_rc;	/* the last look's error, or 0 */
};

/* An agent that is asked for its key. */
struct asking {
	bool		 on;
	char		 target[SPOOL_BOX_MAX];
	char		 nonce[CLIENT_NONCE_MAX];
	char		 id[24];	/* of the request */
	char		 why[256];	/* of the answer, for what waits */
	int64_t		 since_ms;	/* mono */
};

/* --------------------------------------------------------------- daemon */

struct daemon {
	const struct daemon_conf *conf;
	int			 root;
	int			 key_lock;	/* -1: none */
	int			 sent_dir, failed_dir;
	struct spool		*sp;
	struct ident		*ident;
	struct loop		*loop;
	struct client		*client;
	struct spool_watch	*watch;
	void			*watch_id, *signal_id;
	bool			 watch_told;	/* that watches are wanting */
	int			 signal_pipe[2];
	struct loop_timer	*tick, *scan, *alive, *poll, *views, *stop;
	int64_t			 tick_at;	/* mono, while it is on */

	char			 name[DAEMON_NAME_MAX];	/* the agent's */
	char			 me[40];	/* agent id, once known */
	char			 key_id[20], key_id_long[20];
	struct client_info	 info;
	bool			 connected, full, stopping, ended;
	uint64_t		 used;		/* of conf->max_spool, about */
	bool			 over, used_stale;
	int			 full_rc;	/* why it is full */
	char			 last_state[16];
	int64_t			 state_since;	/* wall ms */
	char			 error[256];
	int			 rc;		/* what daemon_run() returns */
	char			*why;
	int			 ready_fd;

	struct receiver		 rx;
	struct settling		 settling;
	struct map		 rooms;		/* name to struct room */
	size_t			 rooms_asked;
	unsigned		 joins;		/* of this session */
	int64_t			 join_at;	/* mono: not before */
	struct leaving		*leaving;
	struct outgoing		 tx;
	struct trust		*trust;		/* whose key is whose */
	struct asking		 ask;
	struct map		 peers;		/* name to struct peer_box */
	struct deals		*deals;		/* work.c's */

	uint64_t		 sent, failed, archived, dropped, delivered;
	size_t			 trim_due;	/* deliveries since the last */
	bool			 status_dirty, unread_dirty;
	int64_t			 unread_at;	/* mono: when it was written */
};

/* A DM box that is open. */
struct peer_box {
	char		 name[SPOOL_BOX_MAX];
	struct spool_box *box;
	size_t		 unread;
	int64_t		 unread_mtime;
};

/* The end: logged, and the loop stops with rc. */
void	daemon_fatal(struct daemon *, int rc, const char *what)
	    AC_NONNULL(1, 3);
/* The relay's ids are ours: "@..." of this session or of our key. */
bool	daemon_is_me(const struct daemon *, const char *id) AC_NONNULL(1, 2);
/* ENOSPC and its kin, and no descriptors: wait until there are some. */
bool	daemon_disk_full(int rc);
/* Does the relay number its messages and answer with re? Ours do. */
bool	daemon_relay_is_new(const struct daemon *) AC_NONNULL(1);

/* ------------------------------------------------------------- publish.c */

int	publish_init(struct daemon *) AC_NONNULL(1) AC_MUST_CHECK;
void	publish_fini(struct daemon *) AC_NONNULL(1);
/* Is the next file to be left open, for its batch to sync and close? */
bool	publish_holds(const struct daemon *) AC_NONNULL(1);
/* Descriptors are wanting: close those held. False: there are none. */
bool	publish_sheds(struct daemon *) AC_NONNULL(1);
/* A staged message, owned from here on: with the next batch. */
void	publish_add(struct daemon *, struct staged *) AC_NONNULL(1, 2);
/* Behind this turn of the loop: acknowledge, and start a batch. */
void	publish_kick(struct daemon *) AC_NONNULL(1);
/* Write the cursor with the next batch. */
void	publish_cursor(struct daemon *) AC_NONNULL(1);
/*
 * Sync, commit and publish all that is staged, and the cursor; blocks. 0, or
 * -ENOSPC: not all could be done.
 */
int	publish_drain(struct daemon *) AC_NONNULL(1) AC_MUST_CHECK;
/* A box is to be dropped: nobody is in it on return. May block. */
void	publish_leave(struct daemon *) AC_NONNULL(1);
/* There is no space: say so, and look every two seconds. */
void	publish_disk_full(struct daemon *, int rc) AC_NONNULL(1);

/* -------------------------------------------------------------- settle.c */

int	settle_init(struct daemon *) AC_NONNULL(1) AC_MUST_CHECK;
void	settle_fini(struct daemon *) AC_NONNULL(1);
/* Something was written that should be made durable by and by. */
void	settle_soon(struct daemon *) AC_NONNULL(1);
/* The receipt of a queue item is written: forget the item once that lasts. */
void	settle_done(struct daemon *, uint64_t qid) AC_NONNULL(1);
bool	settle_is_done(const struct daemon *, uint64_t qid) AC_NONNULL(1);
/* Now; blocks. */
void	settle_drain(struct daemon *) AC_NONNULL(1);

/* --------------------------------------------------------------- quota.c */

/* Of the limit that --max-spool sets, len bytes are taken: 0 or -EDQUOT. */
int	quota_take(struct daemon *, size_t len) AC_NONNULL(1) AC_MUST_CHECK;
/* Count what is there: is it too much? */
bool	quota_look(struct daemon *) AC_NONNULL(1);
/* The same if anything has changed, and say so. */
void	quota_tick(struct daemon *) AC_NONNULL(1);

/* ------------------------------------------------------------- receive.c */

/*
 * Of a message: nothing, as it is there or comes again; that its number was
 * had, as it is there under another; or all.
 */
enum take { TAKE_NOTHING, TAKE_NUMBER, TAKE_ALL };

void	receive_fini(struct daemon *) AC_NONNULL(1);
/* A session begins: sets what mailbox_seq counts from. May block. */
void	receive_session(struct daemon *) AC_NONNULL(1);
/* A MSG or a work message, as it came. */
void	receive_message(struct daemon *, const struct wire_msg *,
	    const char *text, size_t len) AC_NONNULL(1, 2, 3);
/* There is space again: stage what waits. */
void	receive_backlog(struct daemon *) AC_NONNULL(1);
/* A line for the rings only: the instance's, and the room's (or NULL). */
void	receive_event(struct daemon *, struct room *, const struct wire_msg *)
	    AC_NONNULL(1, 3);
/*
 * Put what identifies the messages of a box into a set: of its ring, and of
 * the newest so many files, a third of them in cur/. By two keys each.
 */
#define SEEN_FILES	9000
#define SEEN_MAX	24000
void	receive_remember(struct spool_box *, struct seen *, size_t files)
	    AC_NONNULL(1, 2);

/* --------------------------------------------------------------- judge.c */

/* What is found out about a message, and only we may say. */
struct verdict {
	bool		 verified;	/* the signature is the id's owner's */
	bool		 known;		/* who is in known_agents */
	bool		 key_changed;	/* it is another key's */
	bool		 encrypted;	/* inner has content, sig, in_reply_to */
	bool		 again;		/* an encrypted one that came before */
	bool		 has_inner;
	const char	*enc_error;	/* why a box wasn't opened, or NULL */
	unsigned char	 key[32];	/* of the sender, if verified */
	struct buf	 text;		/* of inner */
	struct wire_msg	 inner;		/* large: only if there is one */
};

/* 0, or -ENOMEM. To be finished in any case. own: we sent it. */
int	judge_message(struct daemon *, const struct wire_msg *,
	    const char *from, bool own, struct verdict *)
	    AC_NONNULL(1, 2, 3, 5) AC_MUST_CHECK;
void	judge_fini(struct verdict *) AC_NONNULL(1);
/*
 * Append the message without its closing brace and without what is ours to
 * say, and then what the verdict (NULL: none is due) says. 0 or -ENOMEM.
 */
int	judge_print(const struct verdict *, const struct wire_msg *,
	    struct buf *line) AC_NONNULL(2, 3) AC_MUST_CHECK;
/* It is staged: the same box isn't opened again. */
void	judge_staged(struct daemon *, const struct wire_msg *,
	    const struct verdict *, bool own, uint64_t mailbox_seq)
	    AC_NONNULL(1, 2, 3);

/* ----------------------------------------------------------------- ask.c */

/*
 * The key of an agent (an item_key_fn). 0; -EAGAIN: it is being asked, and
 * sender_pump() is called when that is over; -EINVAL: *why; or what
 * client_send() says.
 */
int	ask_key(void *daemon, const char *target, unsigned char *key,
	    const char **why) AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;
/* True if it was the answer to a question of ours. */
bool	ask_message(struct daemon *, const struct wire_msg *) AC_NONNULL(1, 2);
bool	ask_error(struct daemon *, const struct wire_msg *) AC_NONNULL(1, 2);
void	ask_offline(struct daemon *) AC_NONNULL(1);
/* When ask_tick() has something to do: mono ms, or INT64_MAX. */
int64_t	ask_due(const struct daemon *) AC_NONNULL(1);
void	ask_tick(struct daemon *) AC_NONNULL(1);

/* ------------------------------------------------------------- recover.c */

int	recover_box(struct daemon *, struct spool_box *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ------------------------------------------------------------- collect.c */

int	collect_init(struct daemon *) AC_NONNULL(1) AC_MUST_CHECK;
void	collect_fini(struct daemon *) AC_NONNULL(1);
/* Lines of outbox.jsonl; files in the box's out/. */
void	collect_outbox(struct daemon *) AC_NONNULL(1);
void	collect_drop(struct daemon *, struct spool_box *) AC_NONNULL(1, 2);

/* ---------------------------------------------------------------- room.c */

struct room *room_find(struct daemon *, const char *name) AC_NONNULL(1, 2);
/* The channel's directory is there, or made if create: room_pump() joins. */
int	room_want(struct daemon *, const char *name, bool create,
	    struct room **) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
/* Send JOIN (from where we are) or CREATE_CHANNEL. */
int	room_ask(struct daemon *, struct room *, enum wire_type)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* The agent took the directory away, or said LEAVE. */
void	room_leave(struct daemon *, struct room *, bool tell)
	    AC_NONNULL(1, 2);
void	room_fini_all(struct daemon *) AC_NONNULL(1);
/* Send the JOINs that are due. */
void	room_pump(struct daemon *) AC_NONNULL(1);
/* The connection is gone. */
void	room_offline(struct daemon *) AC_NONNULL(1);
/* As sender_due(). */
int64_t	room_due(struct daemon *, int64_t now_ms) AC_NONNULL(1);
void	room_tick(struct daemon *) AC_NONNULL(1);
/* JOINED, LEFT, AGENT_*, GAP, NICK_CHANGED, PRESENCE_CHANGED. */
void	room_message(struct daemon *, const struct wire_msg *)
	    AC_NONNULL(1, 2);
/* An ERROR: true if it was the answer to a JOIN or CREATE_CHANNEL of ours. */
bool	room_error(struct daemon *, const struct wire_msg *) AC_NONNULL(1, 2);
/* May a message be sent to this target now, or is a join pending? */
bool	room_settled(struct daemon *, const char *target) AC_NONNULL(1, 2);
/* Rosters and rings that changed. */
void	room_write_views(struct daemon *) AC_NONNULL(1);
/* Someone invited us, perhaps: try the refused rooms that text names. */
void	room_hint(struct daemon *, const char *text) AC_NONNULL(1, 2);

/* -------------------------------------------------------------- sender.c */

/* refused.c: done is what stands in failed/; before anything is sent. */
int	refused_settle(struct daemon *) AC_NONNULL(1) AC_MUST_CHECK;
int	sender_init(struct daemon *) AC_NONNULL(1) AC_MUST_CHECK;
void	sender_fini(struct daemon *) AC_NONNULL(1);
void	sender_session(struct daemon *) AC_NONNULL(1);
void	sender_offline(struct daemon *) AC_NONNULL(1);
void	sender_pump(struct daemon *) AC_NONNULL(1);
/* Anything that may confirm what is in flight. */
void	sender_message(struct daemon *, const struct wire_msg *,
	    const char *text, size_t len) AC_NONNULL(1, 2, 3);
void	sender_error(struct daemon *, const struct wire_msg *)
	    AC_NONNULL(1, 2);
/* Is something in flight whose ERROR would come without a name? */
bool	sender_waits(const struct daemon *) AC_NONNULL(1);
/* A request of room.c counts at the relay too: may it be sent now? */
bool	sender_take_token(struct daemon *) AC_NONNULL(1);
/* Is a line of this type for this channel in flight? */
bool	sender_asks(const struct daemon *, enum wire_type, const char *channel)
	    AC_NONNULL(1, 3);
/*
 * When sender_tick() has something to do, if nothing happens before: mono ms;
 * now_ms for what is to be tried until it works; INT64_MAX: never.
 */
int64_t	sender_due(struct daemon *, int64_t now_ms) AC_NONNULL(1);
void	sender_tick(struct daemon *) AC_NONNULL(1);

/* ---------------------------------------------------------------- tick.c */

int	tick_init(struct daemon *) AC_NONNULL(1) AC_MUST_CHECK;
void	tick_fini(struct daemon *) AC_NONNULL(1);
/* From here on things are done when they are due. */
void	tick_start(struct daemon *) AC_NONNULL(1);

/* -------------------------------------------------------------- readme.c */

void	readme_write(struct daemon *) AC_NONNULL(1);

/* --------------------------------------------------------------- views.c */

/* status.json is to be written, within 100 ms. */
void	views_touch(struct daemon *) AC_NONNULL(1);
void	views_unread(struct daemon *) AC_NONNULL(1);	/* new/ changed */
void	views_write(struct daemon *) AC_NONNULL(1);	/* now */
void	views_refresh(void *daemon);	/* the timer's */
/* Is there space for a small file? 0, or -ENOSPC and its kin. */
int	views_probe(struct daemon *) AC_NONNULL(1) AC_MUST_CHECK;
/* Count unread files again where new/ changed. */
void	views_count(struct daemon *) AC_NONNULL(1);

/* -------------------------------------------------------------- resume.c */

/* JOINED came, top is the channel's newest seq. May block. */
void	resume_enter(struct daemon *, struct room *, uint64_t top)
	    AC_NONNULL(1, 2);
/* What is to be taken of a message of the room? own: we said it. */
enum take resume_admits(struct daemon *, struct room *,
	    const struct wire_msg *, bool own) AC_NONNULL(1, 2, 3);
/* It was, all or its number. */
void	resume_took(struct room *, const struct wire_msg *) AC_NONNULL(1, 2);

/* -------------------------------------------------------------- bridge.c */

extern const struct client_ops bridge_ops;
/* Look at everything: boxes, drops, outbox. Also the first look. */
void	bridge_scan(struct daemon *) AC_NONNULL(1);
/* Open every box that is there. */
void	bridge_open_boxes(struct daemon *) AC_NONNULL(1);
/* Look into every out/. */
void	bridge_drops(struct daemon *) AC_NONNULL(1);
void	bridge_watch_ready(void *daemon);
void	bridge_watch_box(struct daemon *, struct spool_box *)
	    AC_NONNULL(1, 2);
/* If events are not to be had, or not all, say so once and look instead. */
void	bridge_watch_trouble(struct daemon *) AC_NONNULL(1);
#define POLL_MS	500
/* The box of a DM peer, made if need be; SPOOL_OTHER beyond the limit. */
int	bridge_peer_box(struct daemon *, const char *name,
	    struct spool_box **) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

#endif
