/*
 * spool.h - a directory as a message queue.
 *
 * An agent that can only read and write files talks through a spool. This
 * module knows names, bytes and renames; what is JSON in it is written by the
 * floors above. agentchat-spool(5) is the contract with the agent; this is
 * the contract with the code.
 *
 * Who owns which rename
 *
 *	daemon	tmp/X -> new/X		delivers: a reader of new/ never sees half
 *	daemon	tmp/X -> cur/X		own echoes, which nobody needs to read
 *	agent	new/X -> cur/X		"I have read it"
 *	agent	anything -> out/X	sends, atomically
 *	daemon	out/X -> queue/ID	claims: from here on it is sent once
 *	daemon	outbox.jsonl <-> .outbox.retired	(RENAME_EXCHANGE) retires
 *
 * Every other file has one writer, the daemon, and views are replaced whole
 * (tmp + rename) or appended to so that a reader sees whole lines (ring.c).
 *
 * Receiving, in an order that survives a crash between any two steps:
 *
 *	1 stage		message to tmp/NAME, NAME made from the message alone
 *	2 sync		on a worker: staged bytes are on the disk
 *	3 cursor	appended to or replaced, durably: "up to here is mine";
 *			with that, or before it, the names in tmp/ are durable
 *	4 rings		lines appended
 *	5 publish	tmp/NAME -> new/NAME, RENAME_NOREPLACE
 *	6 acknowledge	to the relay
 *
 * After a crash, a staged file at or below the cursor was not published yet
 * (else it would not be in tmp/): publish it now, after putting its line in
 * the rings if it isn't there. A staged file above the cursor comes again
 * from the relay: remove it. A message at or below the cursor without staged
 * file was delivered; if it isn't in new/ or cur/ the agent has taken it, and
 * it must not appear again.
 *
 * Sending: what an agent puts down (a line of outbox.jsonl, a file in out/)
 * is copied into the queue (queue.c), an append-only journal of our own, in
 * one record with the position that it was read from. So "queued" and "read
 * up to here" can't disagree after a crash. An item leaves the queue when its
 * receipt is in sent/ or failed/; receipts are named by the item, so that
 * confirming twice writes the same file twice.
 *
 * Hostile neighbours: names come from the network, and agents own their
 * directory. Every path is one checked component relative to a held
 * descriptor, opened O_NOFOLLOW | O_NONBLOCK; what is opened must be a
 * regular file of ours with one link.
 *
 * Functions return 0 or a negative errno unless they say otherwise, never
 * log, and take no locks: one thread uses a struct spool. Exceptions, made for
 * a worker thread: spool_sync(), spool_move(), and what takes only
 * descriptors.
 */
#ifndef AC_SPOOL_SPOOL_H
#define AC_SPOOL_SPOOL_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "spool/journal.h"

#define SPOOL_MSG_MAX	(1 << 20)	/* bytes of one message */
#define SPOOL_NAME_MAX	128		/* file name with its NUL */
#define SPOOL_BOX_MAX	66		/* box name with its NUL */
#define SPOOL_BOXES_MAX	256		/* DM directories before @other */
#define SPOOL_RING_LINES 1000
#define SPOOL_OTHER	"@other"

/* ------------------------------------------------------------------ fs.c */

/*
 * Small files, whole. name is one component, at a directory descriptor.
 *
 * spool_replace	write under a temporary name (".NAME.new") and rename
 *			over name; with durable, after 0 it survives power loss
 * spool_extend		append durably to a file that ends at at: -ESTALE if
 *			it doesn't. After any error its end is anybody's guess
 * spool_slurp		append the content to out; -EFBIG beyond max bytes;
 *			-ELOOP, -EINVAL for what isn't a regular file of ours
 * spool_subdir		open (made if create) a directory; *fd is the caller's
 * spool_opendir	a directory's entries, of which dir's own position knows
 *			nothing; *out is the caller's to closedir()
 */
int	spool_replace(int dir, const char *name, const void *, size_t len,
	    bool durable) AC_NONNULL(2) AC_MUST_CHECK;
int	spool_extend(int dir, const char *name, size_t at, const void *,
	    size_t len) AC_NONNULL(2, 4) AC_MUST_CHECK;
int	spool_slurp(int dir, const char *name, size_t max, struct buf *out)
	    AC_NONNULL(2, 4) AC_MUST_CHECK;
int	spool_subdir(int dir, const char *name, bool create, int *fd)
	    AC_NONNULL(2, 4) AC_MUST_CHECK;
int	spool_opendir(int dir, DIR **out) AC_NONNULL(2) AC_MUST_CHECK;

/*
 * A path component that may come from the network: 1 to 100 bytes of
 * [A-Za-z0-9._#@+=-], not starting with '.'.
 */
bool	spool_component_ok(const char *name, size_t len) AC_NONNULL(1);

/* -------------------------------------------------------------- append.c */

/*
 * Add a line (without its newline) to a file that only grows, made if need
 * be, unless has() finds in the text so far (len bytes, whole, not empty) that
 * it is there already. Durable; several processes may do it at once, and what
 * a power cut has left of the same line is mended.
 *
 * Returns 1: added; 0: it was there; -EFBIG: the file has more than max bytes;
 * -ENOSPC and its kin: the file is as it was.
 */
typedef bool spool_has_fn(void *arg, const char *text, size_t len);
int	spool_append(int dir, const char *name, const void *line, size_t len,
	    size_t max, spool_has_fn *, void *arg)
	    AC_NONNULL(2, 3, 6) AC_MUST_CHECK;

/* ----------------------------------------------------------------- box.c */

struct spool;		/* one instance directory, held open */
struct spool_box;	/* a channel or DM directory in it, held open */

/*
 * The root of all spools: path, else $AGENTCHAT_DIR, else ./.agentchat. Made
 * 0700 with a .gitignore of "*" if create. -EACCES if others may write to it
 * or it isn't ours. *fd is the caller's.
 */
int	spool_root(const char *path, bool create, int *fd)
	    AC_NONNULL(3) AC_MUST_CHECK;
/* What it is without a path. Borrowed from the environment, or static. */
const char *spool_root_path(void);

/* The same directory, whoever may write to it, for who wants to judge. */
int	spool_root_look(const char *path, int *fd) AC_NONNULL(2) AC_MUST_CHECK;

/* Open an instance: a directory relative to at (or AT_FDCWD), made if create. */
int	spool_open(struct spool **, int at, const char *path, bool create)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
void	spool_close(struct spool *);	/* boxes too; NULL accepted */
int	spool_dir(const struct spool *) AC_NONNULL(1);	/* borrowed fd */

/*
 * The pid file is the lock: held from spool_lock() to spool_close() or death.
 *
 * spool_close() removes it, so that one without holder tells of a crash. The
 * lock doesn't pass to a child: fork first. Temporary files that a crash left
 * go when the lock is taken.
 *
 * spool_lock	-EBUSY: somebody has it. Writes our pid.
 * spool_holder	the pid that holds it; 0 if nobody does, whatever the file
 *		says (stale and recycled pids are nobody); dir is an instance
 *		directory. -EAGAIN: held from another pid namespace, by whom
 *		can't be told. Not for the holder itself: POSIX drops the lock
 *		when any descriptor of the file is closed.
 */
int	spool_lock(struct spool *) AC_NONNULL(1) AC_MUST_CHECK;
int	spool_holder(int dir, pid_t *) AC_NONNULL(2) AC_MUST_CHECK;

/* "#name" or "@name", name 1 to 64 of [A-Za-z0-9_-]. */
bool	spool_box_name_ok(const char *, size_t len) AC_NONNULL(1);

/*
 * The box of that name, made if create: the directory with new/ cur/ tmp/
 * out/. Owned by the spool; the same pointer while it is open. -ENOENT: no
 * such directory; -EINVAL: not a name; -EMFILE: SPOOL_BOXES_MAX DM boxes.
 * A directory without its sub-folders gets them (an agent's mkdir joins). One
 * that has only some of them was left, or is being removed: -ENOENT, unless
 * create.
 */
int	spool_box(struct spool *, const char *name, bool create,
	    struct spool_box **) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;

/*
 * Has the agent taken the box away? True as soon as the directory or one of
 * its sub-folders is gone or is another one than we hold.
 */
bool	spool_box_gone(const struct spool_box *) AC_NONNULL(1);

/*
 * For who stages and publishes hundreds in a row: from here to the next call,
 * one look whether a box is gone serves for all of them. (The rings of a flood
 * are replaced all the time, so nothing says that nothing has changed.) Call
 * it again and again: what an agent takes away meanwhile isn't noticed.
 */
void	spool_glance(struct spool *) AC_NONNULL(1);

/*
 * Forget the box. Its directory stays as it is: an agent may be in the midst
 * of rm -r, and would fail on a sub-folder that comes back as well as on one
 * that somebody else removed. Until that directory is really gone, or has all
 * its sub-folders again, spool_box() without create finds -ENOENT.
 */
void	spool_box_drop(struct spool *, struct spool_box *) AC_NONNULL(1, 2);

const char *spool_box_name(const struct spool_box *) AC_NONNULL(1);
int	spool_box_dir(const struct spool_box *) AC_NONNULL(1);	/* borrowed fd */
enum spool_sub { SPOOL_NEW, SPOOL_CUR, SPOOL_TMP, SPOOL_OUT };
int	spool_box_sub(const struct spool_box *, enum spool_sub)	/* borrowed fd */
	    AC_NONNULL(1);

/*
 * Every directory of the instance whose name is a box name, open or not, in
 * no order. fn's non-zero result ends the walk and is returned.
 */
int	spool_each_box(struct spool *, int (*fn)(void *, const char *name),
	    void *arg) AC_NONNULL(1, 2) AC_MUST_CHECK;
/* The same of directories that begin with '#' or '@' and can't be boxes. */
int	spool_each_misnamed(struct spool *, int (*fn)(void *arg,
	    const char *name), void *arg) AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ------------------------------------------------------------- deliver.c */

/*
 * A message's file name: "<13-digit ts>.<8-digit seq>.<sender>", without the
 * sender's '@'. Sorts by arrival. ts is clamped to 13 digits; a seq of more
 * digits takes what it needs. -EINVAL: sender is no path component.
 */
int	spool_name(char out[SPOOL_NAME_MAX], int64_t ts_ms, uint64_t seq,
	    const char *sender) AC_NONNULL(1, 4) AC_MUST_CHECK;
/* The seq in such a name; 0 if it is none. */
uint64_t spool_name_seq(const char *name) AC_NONNULL(1);

/*
 * Write a message (len bytes, borrowed) to tmp/name. 0 if it is already there
 * whole. -EEXIST if new/ or cur/ has it: delivered before, nothing to do.
 * -ENOSPC, -EDQUOT: nothing is left behind, try later. -ESTALE: box is gone.
 * With held, the file stays open after 0: *held is the caller's; -1 if it was
 * there already.
 */
int	spool_stage(struct spool_box *, const char *name, const void *msg,
	    size_t len, int *held) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/*
 * Make what was staged durable. Both block on disk; safe on a worker while
 * other threads use the spool. An error is final: what the kernel dropped
 * can't be found out, so the program must end.
 *
 * spool_sync		all of the spool, and of what else the disk waits for
 * spool_sync_files	the bytes of n staged files, in no time. Their names
 *			are durable once something that was changed after they
 *			were made is, if spool_keeps_order(): spool_extend()
 *			and spool_replace() will do. -ENOSYS: not here
 */
int	spool_sync(const struct spool *) AC_NONNULL(1) AC_MUST_CHECK;
int	spool_sync_files(const int *fds, size_t n) AC_MUST_CHECK;

/*
 * Does the file system, whenever it makes something durable, make all durable
 * that was done to names before? False if nobody knows.
 */
bool	spool_keeps_order(const struct spool *) AC_NONNULL(1);

/*
 * tmp/name -> new/name, or cur/name if read. 0 also if it is there already
 * (tmp/name is removed). -ENOENT: not staged. -ESTALE: box is gone.
 */
int	spool_publish(struct spool_box *, const char *name, bool read)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/*
 * The same in two steps, so that a worker can do the renames of many.
 *
 * spool_move_plan	where the file is to go. False if that takes more than
 *			a rename: spool_publish() is for it
 * spool_move		the rename. One thread at a time, whichever; until it
 *			has returned the box must not be dropped. Whatever the
 *			error: spool_publish() knows what to do. -ESTALE: the
 *			box is gone; it looks once for each number that look
 *			has, not 0
 */
struct spool_move {
	struct spool_box *box;
	enum spool_sub	  to;
};
bool	spool_move_plan(struct spool_box *, const char *name, bool read,
	    struct spool_move *) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
int	spool_move(const struct spool_move *, const char *name, unsigned look)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/*
 * After a crash (see the essay): calls fn for each staged file of the box in
 * name order, with its whole content; fn returns 1 to publish it, 2 to
 * publish it as read, 0 to remove it, or an error to stop. Strange files in
 * tmp/ are removed.
 */
typedef int spool_recover_fn(void *arg, struct spool_box *, const char *name,
    const char *msg, size_t len);
int	spool_recover(struct spool_box *, spool_recover_fn *, void *arg)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ---------------------------------------------------------------- take.c */

/* Names, in strcmp() order: of messages, as they came. */
struct spool_names {
	char	**name;	/* n of them, into text */
	size_t	  n;
	struct buf text;
};
/* The names in new/ or cur/; after 0 they are the caller's. */
int	spool_names(struct spool_box *, enum spool_sub, struct spool_names *)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
void	spool_names_fini(struct spool_names *) AC_NONNULL(1);
/*
 * What one of them says, in place of what *out held. 1; 0: it has moved on
 * meanwhile, or is no regular file of ours of SPOOL_MSG_MAX bytes at most.
 */
int	spool_read(struct spool_box *, enum spool_sub, const char *name,
	    struct buf *out) AC_NONNULL(1, 3, 4) AC_MUST_CHECK;

/*
 * Walk new/ or cur/ in name order (oldest first, or newest if reverse),
 * skipping dot files and what isn't a regular file of SPOOL_MSG_MAX bytes at
 * most. At most max files (0: no limit). The buffer passed to fn is reused.
 * fn's non-zero result ends the walk and is returned.
 */
typedef int spool_walk_fn(void *arg, const char *name, const char *msg,
    size_t len);
int	spool_walk(struct spool_box *, enum spool_sub, bool reverse, size_t max,
	    spool_walk_fn *, void *arg) AC_NONNULL(1, 5) AC_MUST_CHECK;

/* Regular files in a sub-folder, without opening them. */
int	spool_count(struct spool_box *, enum spool_sub, size_t *)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;

/* new/name -> cur/name. 0 also if somebody else was first (-ENOENT is 0). */
int	spool_mark_read(struct spool_box *, const char *name)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/*
 * Keep a box bounded: cur/ to its newest keep_cur files; of new/, what is
 * beyond the newest keep_new goes, oldest first, to archive/DAY.jsonl of the
 * instance, durably, before it goes from new/. *archived += what went. Of
 * what a crash interrupts, a batch may be archived twice. What can't be read
 * as a message stays.
 */
int	spool_trim(struct spool *, struct spool_box *, size_t keep_cur,
	    size_t keep_new, uint64_t *archived)
	    AC_NONNULL(1, 2, 5) AC_MUST_CHECK;

/*
 * Keep the newest n files of any directory (sent/, failed/), by the time that
 * they were written: receipts are named by what was sent.
 */
int	spool_trim_dir(int dir, size_t n) AC_MUST_CHECK;

/* --------------------------------------------------------------- usage.c */

/* What all that is in the directory takes of the disk: walks through it. */
int	spool_usage(const struct spool *, uint64_t *bytes)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ---------------------------------------------------------------- ring.c */

/*
 * inbox.jsonl: the newest lines, never more than SPOOL_RING_LINES of them and
 * never part of one, at any instant that a reader looks. How: ring.c's essay.
 *
 * dir is borrowed for the call. A ring has one writer, and opening one is
 * being it: what an unclean end left is mended.
 *
 * spool_ring_add	queue one line (without newline, no newline or NUL
 *			inside: -EINVAL; SPOOL_MSG_MAX bytes at most:
 *			-EMSGSIZE); copied
 * spool_ring_flush	write what is queued. -ENOSPC etc.: the newest
 *			SPOOL_RING_LINES are kept and tried again at the next
 *			flush. -ESTALE: the ring's box is gone
 * spool_ring_has	is this very line among the kept ones?
 * spool_ring_last	copy the newest line into out, nothing if empty
 */
struct spool_ring;
int	spool_ring_open(struct spool_ring **, int dir, const char *name)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
void	spool_ring_close(struct spool_ring *);	/* flushed? the caller's care */
int	spool_ring_add(struct spool_ring *, const char *line, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	spool_ring_flush(struct spool_ring *) AC_NONNULL(1) AC_MUST_CHECK;
bool	spool_ring_has(struct spool_ring *, const char *line, size_t len)
	    AC_NONNULL(1, 2);
int	spool_ring_last(struct spool_ring *, struct buf *out)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* The rings of the instance and of a box, opened on first use; borrowed. */
int	spool_ring_main(struct spool *, struct spool_ring **)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	spool_ring_box(struct spool_box *, struct spool_ring **)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* --------------------------------------------------------------- watch.c */

/*
 * Events are hints: they say where to look, never what happened. After a
 * change of watches, look first. Without inotify (poll, out of watches, a
 * network file system) the fd is -1 and everything is a hint at every call;
 * call it on a timer then. Even with inotify a slow rescan is wanted.
 *
 * If watches run out later, in spool_watch_box(), the fd stays good for those
 * there are, spool_watch_trouble() says so, and a call that finds no event
 * hints at everything: a timer is wanted besides. A spool has one watch, and
 * a box that is dropped, in fn too, is forgotten by it.
 */
struct spool_watch;
enum spool_hint {
	SPOOL_HINT_INSTANCE = 1,	/* boxes made or removed */
	SPOOL_HINT_OUTBOX = 2,		/* outbox.jsonl */
	SPOOL_HINT_DROP = 4,		/* a file in a box's out/ */
	SPOOL_HINT_BOX = 8,		/* a box lost a sub-folder, or new/ moved */
	SPOOL_HINT_ALL = 16,		/* anything: events were lost, or no inotify */
	SPOOL_HINT_RECEIPT = 32,	/* a file came to sent/ or failed/ */
	SPOOL_HINT_NEW = 64,		/* a file came to a box's new/ */
	SPOOL_HINT_READ = 128		/* a file left a box's new/ */
};
/*
 * wants: the hints asked for. Watches are added as boxes are opened by
 * spool_watch_box(), and for the instance at once.
 */
int	spool_watch_open(struct spool_watch **, struct spool *, unsigned wants,
	    bool poll) AC_NONNULL(1, 2) AC_MUST_CHECK;
void	spool_watch_close(struct spool_watch *);
int	spool_watch_fd(const struct spool_watch *) AC_NONNULL(1);
/* Why events are not to be had: static text naming the cure, or NULL. */
const char *spool_watch_trouble(const struct spool_watch *) AC_NONNULL(1);
int	spool_watch_box(struct spool_watch *, struct spool_box *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/*
 * Read what has happened, without blocking. fn is called once per (hint, box)
 * pair that something happened to since the last call; box is NULL for
 * instance-wide hints.
 */
typedef void spool_hint_fn(void *arg, enum spool_hint, struct spool_box *);
int	spool_watch_read(struct spool_watch *, spool_hint_fn *, void *arg)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* --------------------------------------------------------------- queue.c */

/*
 * The durable outgoing queue of an instance: a journal (journal.h) in queue/
 * and, beside it, files claimed from out/ whose content is not in it yet.
 *
 * Items have ids that rise by one and are never reused; with the queue's
 * nonce (made with it) an id is unique for the key for ever. The bodies stay
 * on disk: spool_queue_read() fetches one.
 */
struct spool_queue;
struct spool_item {
	uint64_t	 id;
	char		 target[SPOOL_BOX_MAX];	/* box of a file in out/; "" for
						   a line of outbox.jsonl */
	char		 name[SPOOL_NAME_MAX];	/* of that file; "outbox" */
	size_t		 len;			/* bytes of the body */
	int64_t		 queued_ms;		/* wall clock at intake */
	uint64_t	 pos;			/* for spool_queue_read() */
};

int	spool_queue_open(struct spool_queue **, struct spool *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	spool_queue_close(struct spool_queue *);
const char *spool_queue_nonce(const struct spool_queue *) AC_NONNULL(1);
size_t	spool_queue_count(const struct spool_queue *) AC_NONNULL(1);

/*
 * The queue's disk was damaged (spool_queue_open() says -EUCLEAN): keep what
 * can be read. What can't is lost; the damaged file is kept beside it.
 */
int	spool_queue_repair(struct spool *) AC_NONNULL(1) AC_MUST_CHECK;

/*
 * Read the queue as it stands and change nothing; somebody may be running it.
 * 0 whatever the damage; -ENOENT: there is none.
 */
struct spool_queue_look {
	struct journal_report	 journal;
	size_t			 waiting;
	uint64_t		 next_id;
};
int	spool_queue_look(struct spool *, struct spool_queue_look *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/*
 * The oldest item not done with an id above after (0: the first); or NULL.
 * Valid until the next call of this function, so copy what must last.
 */
const struct spool_item *spool_queue_next(const struct spool_queue *,
	    uint64_t after) AC_NONNULL(1);
int	spool_queue_read(struct spool_queue *, const struct spool_item *,
	    struct buf *out) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/*
 * Put one item in by hand (nobody's file). Intake does the same for files.
 * -EAGAIN: the queue's disk is full, nothing was queued.
 */
int	spool_queue_add(struct spool_queue *, const char *target,
	    const char *name, const void *body, size_t len)
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;

/* The item's receipt is written: forget it. The queue shrinks when it can. */
int	spool_queue_done(struct spool_queue *, uint64_t id)
	    AC_NONNULL(1) AC_MUST_CHECK;

/*
 * Sync in two halves, so that a worker can do the waiting: begin says what
 * to sync (*fd borrowed, valid until the matching end); the worker calls
 * fdatasync(*fd); end takes its result. Items at or below the synced position
 * are safe to send and their sources safe to retire. begin returns 1 if there
 * is something to sync, 0 if not.
 */
int	spool_queue_sync_begin(struct spool_queue *, int *fd)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	spool_queue_sync_end(struct spool_queue *, int result)
	    AC_NONNULL(1) AC_MUST_CHECK;
/* Is the item synced? Only then may it be sent. */
bool	spool_queue_synced(const struct spool_queue *, uint64_t id)
	    AC_NONNULL(1);

/* --------------------------------------------------- outbox.c and drop.c */

/*
 * Take what agents have put down into the queue: a batch of it in one write.
 *
 * spool_intake_outbox	whole lines of outbox.jsonl (and of a retired one
 *			that still has writers). Blank lines are skipped. At
 *			most max_items a call; 1 if there is more at once, 0
 *			when drained. Retires the file when it is drained and
 *			its lines are synced (spool_queue_sync_end()).
 * spool_intake_drop	files in a box's out/, oldest first; a file open for
 *			writing is left (*busy is set: look again soon). 1 if
 *			there is more at once. A file of more than
 *			SPOOL_MSG_MAX bytes goes to failed/ with its .reason
 *
 * max_items 0: no limit. A call also ends after some 4 MiB.
 *
 * A line without newline for 60 s after the file last grew is queued as it is
 * with name "outbox.broken", one of more than SPOOL_MSG_MAX bytes in pieces
 * of which all but the last have that name: the sender's parser will refuse
 * them with a reason, so that nothing is lost silently.
 *
 * *again_ms: out, when to call again although no event comes (a lease is
 * pending, a line is incomplete), or -1.
 *
 * Errors: -EAGAIN, the queue's disk is full, nothing was taken. What is no
 * regular file of ours is left alone and reported after all else was taken:
 * -ELOOP a symbolic link, -EMLINK a file with other names too, -EINVAL
 * anything else; for outbox.jsonl at each call, for a file in out/ once, one
 * at each look: spool_intake_odd() is its name then, the queue's.
 */
int	spool_intake_outbox(struct spool_queue *, size_t max_items,
	    int *again_ms) AC_NONNULL(1, 3) AC_MUST_CHECK;
int	spool_intake_drop(struct spool_queue *, struct spool_box *,
	    size_t max_items, bool *busy) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
const char *spool_intake_odd(const struct spool_queue *) AC_NONNULL(1);

#endif
