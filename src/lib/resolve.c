/*
 * resolve.c - a host's addresses, without making the loop wait for them.
 *
 * getaddrinfo() may take half a minute and can't be stopped. It runs on a
 * thread of its own, which shares a job with the loop: whoever is done with it
 * last frees it.
 */
#include "config.h"

#include "lib/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/loop.h"

struct job {
	atomic_int	 owners;
	int		 done_fd;	/* the thread's end of the pipe */
	char		*host;
	int		 rc;		/* of getaddrinfo() */
	size_t		 count;
	char		 addresses[RESOLVE_MAX][RESOLVE_LEN];
};

struct resolve {
	struct loop	*loop;
	struct job	*job;
	resolve_fn	*fn;
	void		*arg;
	int		 fd;
	void		*watch;
};

static void
job_release(struct job *j)
{
	if (atomic_fetch_sub(&j->owners, 1) != 1)
		return;
	close(j->done_fd);
	free(j->host);
	free(j);
}

static void *
look_up(void *arg)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *a;
	struct job *j = arg;

	j->rc = getaddrinfo(j->host, NULL, &hints, &all);
	for (a = j->rc == 0 ? all : NULL; a != NULL && j->count < RESOLVE_MAX;
	    a = a->ai_next)
		if (getnameinfo(a->ai_addr, a->ai_addrlen,
		    j->addresses[j->count], RESOLVE_LEN, NULL, 0,
		    NI_NUMERICHOST) == 0)
			j->count++;
	if (j->rc == 0)
		freeaddrinfo(all);
	/* Nobody reads any more: then nobody is to be told. */
	if (write(j->done_fd, "", 1) == -1)
		j->count = 0;
	job_release(j);
	return NULL;
}

static int
start_thread(struct job *j)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);	/* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_fetch_add(&j->owners, 1);
	rc = pthread_create(&thread, &attr, look_up, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		job_release(j);
	return -rc;
}

static void
answered(void *arg)
{
	struct resolve *r = arg;
	struct job *j = r->job;
	char c;

	if (read(r->fd, &c, 1) != 1)
		return;
	loop_unwatch(r->loop, r->watch);
	r->watch = NULL;
	r->fn(r->arg, (const char (*)[RESOLVE_LEN])j->addresses, j->count,
	    j->rc != 0 ? gai_strerror(j->rc) : "it has no address");
}

int
resolve_start(struct resolve **out, struct loop *l, const char *host,
    resolve_fn *fn, void *arg)
{
	struct resolve *r = calloc(1, sizeof(*r));
	struct job *j = calloc(1, sizeof(*j));
	int pipe_fd[2], rc = -ENOMEM;

	if (r == NULL || j == NULL || (j->host = strdup(host)) == NULL)
		goto fail;
	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK) == -1) {
		rc = -errno;
		goto fail;
	}
	*r = (struct resolve){ l, j, fn, arg, pipe_fd[0], NULL };
	atomic_init(&j->owners, 1);
	j->done_fd = pipe_fd[1];
	rc = loop_watch(l, r->fd, answered, r, &r->watch);
	if (rc == 0)
		rc = start_thread(j);
	if (rc < 0)
		resolve_cancel(r);
	else
		*out = r;
	return rc;
fail:
	if (j != NULL)
		free(j->host);
	free(j);
	free(r);
	return rc;
}

void
resolve_cancel(struct resolve *r)
{
	if (r == NULL)
		return;
	if (r->watch != NULL)
		loop_unwatch(r->loop, r->watch);
	close(r->fd);
	job_release(r->job);
	free(r);
}
