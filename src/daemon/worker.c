/*
 * worker.c - a thread that waits for the disk, so that the loop doesn't.
 */
#include "config.h"

#include "daemon/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/loop.h"

enum state { IDLE, ASKED, RUNNING, FINISHED };

struct worker {
	struct loop	*loop;
	worker_job_fn	*job;
	worker_done_fn	*done;
	void		*arg;
	pthread_t	 thread;
	pthread_mutex_t	 lock;
	pthread_cond_t	 changed;
	enum state	 state;		/* under lock */
	int		 result;
	bool		 quit;
	bool		 busy;		/* the loop's own */
	int		 pipe[2];	/* a byte when a job is finished */
	void		*watch;
};

static void *
thread_main(void *arg)
{
	struct worker *w = arg;
	int result;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->state != ASKED && !w->quit)
			pthread_cond_wait(&w->changed, &w->lock);
		if (w->state != ASKED)
			break;
		w->state = RUNNING;
		pthread_mutex_unlock(&w->lock);
		result = w->job(w->arg);
		pthread_mutex_lock(&w->lock);
		w->result = result;
		w->state = FINISHED;
		pthread_cond_broadcast(&w->changed);
		/* A full pipe means that the loop is told already. */
		if (write(w->pipe[1], "", 1) == -1)
			continue;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void
report(struct worker *w)
{
	int result;

	pthread_mutex_lock(&w->lock);
	if (w->state != FINISHED) {
		pthread_mutex_unlock(&w->lock);
		return;		/* worker_finish() was first */
	}
	w->state = IDLE;
	result = w->result;
	pthread_mutex_unlock(&w->lock);
	w->busy = false;
	w->done(w->arg, result);
}

static void
readable(void *arg)
{
	struct worker *w = arg;
	char drain[16];

	while (read(w->pipe[0], drain, sizeof(drain)) > 0)
		;
	report(w);
}

static int
start_thread(struct worker *w)
{
	sigset_t all, old;
	int rc;

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

int
worker_new(struct worker **out, struct loop *l, worker_job_fn *job,
    worker_done_fn *done, void *arg)
{
	struct worker *w = calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return -ENOMEM;
	w->loop = l;
	w->job = job;
	w->done = done;
	w->arg = arg;
	if (pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK) == -1) {
		rc = -errno;
		free(w);
		return rc;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	rc = loop_watch(l, w->pipe[0], readable, w, &w->watch);
	if (rc == 0) {
		rc = start_thread(w);
		if (rc < 0)
			loop_unwatch(l, w->watch);
	}
	if (rc < 0) {
		close(w->pipe[0]);
		close(w->pipe[1]);
		free(w);
		return rc;
	}
	*out = w;
	return 0;
}

void
worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	loop_unwatch(w->loop, w->watch);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	close(w->pipe[0]);
	close(w->pipe[1]);
	free(w);
}

void
worker_start(struct worker *w)
{
	w->busy = true;
	pthread_mutex_lock(&w->lock);
	w->state = ASKED;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

bool
worker_busy(const struct worker *w)
{
	return w->busy;
}

void
worker_finish(struct worker *w)
{
	if (!w->busy)
		return;
	pthread_mutex_lock(&w->lock);
	while (w->state != FINISHED)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	report(w);
}
