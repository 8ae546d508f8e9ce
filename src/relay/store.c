/*
 * store.c - the journal behind store.h, and the thread that syncs it.
 *
 * The loop owns the journal. It lends the thread one descriptor at a time to
 * fdatasync; while that runs the loop goes on appending, and what came in the
 * meantime is the next group. The loop is woken by its end only if somebody
 * waits for that; else it is found when the loop is awake anyway.
 *
 * A semaphore and no condition: a thread that comes back from waiting for a
 * condition takes the lock as one that others wait for, and gives it back with
 * a system call.
 */
#include "config.h"

#include "relay/store.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/journal.h"

#define GROUP_MS	4	/* STORED is never later than 5 ms by our doing */
#define INTERVAL_MS	1000

struct store {
	struct journal	*journal;
	enum relay_sync	 mode;
	int		 failed;	/* a sync's error: final */

	/* Shared with the thread, under lock. */
	pthread_t	 thread;
	sem_t		 go;		/* there is a descriptor, or the end */
	pthread_mutex_t	 lock;
	int		 fd;		/* to sync, or -1 */
	bool		 wanted;	/* wake the loop at the end of it */
	bool		 done, told;	/* it has ended; the loop was woken */
	int		 result;
	struct store_syncs syncs;

	bool		 started, busy;	/* the loop's own: a sync is out */
	uint64_t	 target;	/* what it is to reach */
	int64_t		 begun_ms;	/* the last one, monotonic */
	void		(*wake)(void *);
	void		*wake_arg;
	store_fn	*fn;
	void		*fn_arg;
};

/* 100 us, and each twice the one before: up to 205 ms. */
double
store_bucket_s(int i)
{
	return 1e-4 * (double)(1 << i);
}

static void
count_sync(struct store_syncs *syncs, int64_t took_us)
{
	double took_s = (double)took_us / 1e6;

	syncs->count++;
	syncs->sum_s += took_s;
	for (int i = 0; i < STORE_BUCKETS; i++)
		if (took_s <= store_bucket_s(i)) {
			syncs->buckets[i]++;
			break;
		}
}

struct store_syncs
store_syncs(struct store *s)
{
	struct store_syncs syncs;

	pthread_mutex_lock(&s->lock);
	syncs = s->syncs;
	pthread_mutex_unlock(&s->lock);
	return syncs;
}

static void *
sync_thread(void *arg)
{
	struct store *s = arg;

	for (;;) {
		int64_t begun_us;
		int fd, rc;
		bool wake;

		while (sem_wait(&s->go) == -1 && errno == EINTR)
			;
		pthread_mutex_lock(&s->lock);
		fd = s->fd;
		pthread_mutex_unlock(&s->lock);
		if (fd == -1)
			return NULL;
		begun_us = clock_mono_us();
		rc = fdatasync(fd) == -1 ? -errno : 0;
		pthread_mutex_lock(&s->lock);
		count_sync(&s->syncs, clock_mono_us() - begun_us);
		s->fd = -1;
		s->result = rc;
		s->done = true;
		s->told = wake = s->wanted || rc < 0;
		/* The loop wants the lock as soon as it wakes. */
		pthread_mutex_unlock(&s->lock);
		if (wake)
			s->wake(s->wake_arg);
	}
}

static int
replay(void *arg, uint8_t type, uint64_t pos, uint64_t end, const void *body,
    size_t len)
{
	struct store *s = arg;

	(void)end;
	return s->fn(s->fn_arg, type, pos, body, len);
}

int
store_open(struct store **out, int dir, const struct relay_conf *conf,
    store_fn *fn, void *arg, struct store_report *report)
{
	struct journal_report jr = { 0 };
	struct store *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->mode = conf->sync;
	s->begun_ms = -INTERVAL_MS;
	s->fd = -1;
	s->fn = fn;
	s->fn_arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	if (sem_init(&s->go, 0, 0) == -1) {
		rc = -errno;
		pthread_mutex_destroy(&s->lock);
		free(s);
		return rc;
	}
	rc = journal_open(&s->journal, dir, (uint64_t)conf->segment_len,
	    conf->repair, replay, s, &jr);
	report->records = jr.records;
	report->cut = jr.cut;
	report->damaged_at = jr.damaged_at;
	report->damaged = jr.damaged;
	if (rc < 0) {
		store_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

int
store_start(struct store *s, void (*wake)(void *), void *arg)
{
	sigset_t all, old;
	int rc;

	s->wake = wake;
	s->wake_arg = arg;
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&s->thread, NULL, sync_thread, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->started = rc == 0;
	return rc;
}

int64_t
store_wait_ms(const struct store *s)
{
	int64_t pause = s->mode == RELAY_SYNC_GROUP ? GROUP_MS : INTERVAL_MS;
	int64_t left;

	if (s->mode == RELAY_SYNC_NEVER || !s->started || s->failed != 0 ||
	    (s->busy ? s->target : journal_synced(s->journal)) >=
	    journal_end(s->journal))
		return -1;
	left = s->begun_ms + pause - clock_mono_ms();
	if (left <= 0)
		return s->busy ? -1 : 0;
	return left;
}

/* Lend the thread what isn't synced, if it has nothing to do. */
void
store_tick(struct store *s)
{
	int fd, rc;

	if (store_wait_ms(s) != 0)
		return;
	rc = journal_sync_begin(s->journal, &fd);
	if (rc < 0)
		s->failed = rc;		/* an earlier error of the journal's */
	if (rc != 1)
		return;
	s->busy = true;
	s->begun_ms = clock_mono_ms();
	s->target = journal_end(s->journal);
	pthread_mutex_lock(&s->lock);
	s->fd = fd;
	s->wanted = false;
	pthread_mutex_unlock(&s->lock);
	sem_post(&s->go);
}

bool
store_ended(struct store *s)
{
	bool ended = s->failed != 0;

	if (s->busy && !ended) {
		pthread_mutex_lock(&s->lock);
		ended = s->done && s->result == 0;
		pthread_mutex_unlock(&s->lock);
	}
	return ended;
}

bool
store_missed(struct store *s, bool wanted)
{
	bool late, missed;

	if (!s->busy)
		return s->failed != 0;
	late = journal_end(s->journal) > s->target && store_wait_ms(s) < 0;
	pthread_mutex_lock(&s->lock);
	s->wanted = wanted || late;
	missed = s->wanted && s->done && !s->told;
	pthread_mutex_unlock(&s->lock);
	return missed;
}

int
store_close(struct store *s)
{
	int rc;

	if (s == NULL)
		return 0;
	if (s->started) {
		/* What it has got it syncs; after that there is nothing. */
		sem_post(&s->go);
		pthread_join(s->thread, NULL);
	}
	if (s->busy)
		s->failed = journal_sync_end(s->journal, s->result);
	rc = s->failed;
	if (rc == 0 && s->journal != NULL)
		rc = journal_sync(s->journal);
	journal_close(s->journal);
	sem_destroy(&s->go);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return rc;
}

uint64_t
store_append(struct store *s, enum store_type type, const struct iovec *iov,
    int iovcnt)
{
	return journal_append(s->journal, type, iov, iovcnt);
}

int
store_commit(struct store *s)
{
	return s->failed != 0 ? s->failed : journal_commit(s->journal);
}

void
store_abandon(struct store *s)
{
	journal_abandon(s->journal);
}

int
store_synced(struct store *s, uint64_t *upto)
{
	bool done;
	int result;

	pthread_mutex_lock(&s->lock);
	done = s->done;
	result = s->result;
	s->done = s->told = false;
	pthread_mutex_unlock(&s->lock);
	if (done) {
		s->busy = false;
		s->failed = journal_sync_end(s->journal, result);
	}
	if (s->failed != 0)
		return s->failed;
	/* --sync never: what is written is as stored as it gets. */
	*upto = s->mode == RELAY_SYNC_NEVER ? journal_end(s->journal) :
	    journal_synced(s->journal);
	return 0;
}

uint64_t
store_end(const struct store *s)
{
	return journal_end(s->journal);
}

uint64_t
store_size(const struct store *s)
{
	return journal_end(s->journal) - journal_start(s->journal);
}

uint64_t
store_portion(const struct store *s)
{
	uint64_t end = journal_segment_end(s->journal,
	    journal_start(s->journal));

	return end < journal_end(s->journal) ? end : 0;
}

int
store_retire(struct store *s, uint64_t pos)
{
	return journal_retire(s->journal, pos);
}

int
store_read(struct store *s, uint64_t pos, struct buf *out)
{
	return journal_read(s->journal, pos, NULL, out);
}
