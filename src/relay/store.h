/*
 * store.h - where the relay's truth is kept: an append-only log of records
 * with durable acknowledgement. The journal of the spool now; a cluster's log
 * would stand behind the same functions.
 *
 * A position names a record for ever and only rises. Records are appended to
 * the loop turn's batch, written by store_commit() before anybody is told of
 * them, and synced in groups by a thread that does nothing else.
 */
#ifndef AC_RELAY_STORE_H
#define AC_RELAY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "relay/relay.h"

struct store;

/* Record types; numbers are on disk: append only. */
enum store_type {
	STORE_EPOCH	= 1,	/* a numbering begins */
	STORE_STOP	= 2,	/* clean end: everything before it is synced */
	STORE_AGENT	= 3,	/* a key that has proved itself owns an id */
	STORE_CHAN	= 4,	/* a channel */
	STORE_INVITE	= 5,	/* an agent may join a private channel */
	STORE_MSG	= 6,	/* a message to a channel */
	STORE_DM	= 7,	/* a message to one agent */
	STORE_ACK	= 8,	/* a mailbox was read up to a seq */
	STORE_WORK	= 10,	/* a step of a deal */
	STORE_RATED	= 11,	/* an agent's rating has changed */
	STORE_PAIR	= 12	/* two agents' deal has counted */
};

typedef int store_fn(void *arg, enum store_type, uint64_t pos,
    const void *body, size_t len);

struct store_report {
	uint64_t	records;
	uint64_t	cut;		/* bytes of a torn tail */
	uint64_t	damaged_at;	/* with -EUCLEAN, or mended */
	bool		damaged;
};

/*
 * Open the log in a directory and hand every record to fn. wake is called on
 * the sync thread when a sync has ended and is waited for (store_missed()), or
 * has failed; it shall bring the loop to call store_synced().
 */
int	store_open(struct store **, int dir, const struct relay_conf *,
	    store_fn *, void *arg, struct store_report *)
	    AC_NONNULL(1, 3, 4, 6) AC_MUST_CHECK;
/* Start syncing in the background. */
int	store_start(struct store *, void (*wake)(void *), void *arg)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Commit nothing more; sync what was committed. */
int	store_close(struct store *);		/* NULL accepted */

/* The position the record will have; 0: no memory, and commit will fail. */
uint64_t store_append(struct store *, enum store_type, const struct iovec *,
	    int iovcnt) AC_NONNULL(1, 3);
/* Write the batch: all of it or nothing. */
int	store_commit(struct store *) AC_NONNULL(1) AC_MUST_CHECK;

/* Forget the batch. */
void	store_abandon(struct store *) AC_NONNULL(1);

/*
 * Called by the loop after wake, or if store_ended(): takes the result of the
 * sync that has ended. *upto: records that start below it are durable. An
 * error is final.
 */
int	store_synced(struct store *, uint64_t *upto)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/*
 * Syncs that follow each other without a pause would cost more than all the
 * rest, so one begins a few milliseconds after the one before began, at once
 * if that is long ago; with --sync interval, a second after.
 *
 * store_wait_ms	in how long store_tick() is due; -1: nothing waits, or
 *			only for the end of the sync under way
 * store_tick		begin a sync if one is due. Its thread competes with
 *			the loop: best when what is to be sent is sent.
 */
int64_t	store_wait_ms(const struct store *) AC_NONNULL(1);
void	store_tick(struct store *) AC_NONNULL(1);

/*
 * store_ended		a sync has ended well, or there will be none any more:
 *			store_synced() will say
 * store_missed		called last in each turn of the loop: is the end of the
 *			sync under way wanted? So it is too when the next is
 *			due. True: it was there before the wish, and nobody was
 *			woken
 */
bool	store_ended(struct store *) AC_NONNULL(1);
bool	store_missed(struct store *, bool wanted) AC_NONNULL(1) AC_MUST_CHECK;

/*
 * store_end		what is committed ends here
 * store_size		bytes kept
 * store_portion	where the oldest part that can be removed ends, if it
 *			isn't the newest too; else 0
 * store_retire		remove what lies below pos
 */
uint64_t store_end(const struct store *) AC_NONNULL(1);
uint64_t store_size(const struct store *) AC_NONNULL(1);
uint64_t store_portion(const struct store *) AC_NONNULL(1);
int	store_retire(struct store *, uint64_t pos) AC_NONNULL(1) AC_MUST_CHECK;

/*
 * How long syncs took: buckets[i] of them no longer than store_bucket_s(i) but
 * longer than the one before; all are in count.
 */
#define STORE_BUCKETS 12
struct store_syncs {
	uint64_t	buckets[STORE_BUCKETS];
	uint64_t	count;
	double		sum_s;
};
struct store_syncs store_syncs(struct store *) AC_NONNULL(1);
double	store_bucket_s(int i);

/* Append the body of a committed record to out. */
int	store_read(struct store *, uint64_t pos, struct buf *out)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;

#endif
