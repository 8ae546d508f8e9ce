/*
 * gather.c - one descriptor for many: epoll, with a timerfd in it. On the BSDs
 * both are in epoll-shim.
 */
#include "config.h"

#include "lib/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct gather {
	int	ep;
	int	timer;
};

int
gather_new(struct gather **out)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct gather *g = calloc(1, sizeof(*g));
	int rc = 0;

	if (g == NULL)
		return -ENOMEM;
	g->timer = -1;
	g->ep = epoll_create1(EPOLL_CLOEXEC);
	if (g->ep != -1)
		g->timer = timerfd_create(CLOCK_MONOTONIC,
		    TFD_CLOEXEC | TFD_NONBLOCK);
	ev.data.fd = g->timer;
	if (g->ep == -1 || g->timer == -1 ||
	    epoll_ctl(g->ep, EPOLL_CTL_ADD, g->timer, &ev) == -1)
		rc = -errno;
	if (rc < 0) {
		gather_free(g);
		return rc;
	}
	*out = g;
	return 0;
}

void
gather_free(struct gather *g)
{
	if (g == NULL)
		return;
	if (g->timer != -1)
		close(g->timer);
	if (g->ep != -1)
		close(g->ep);
	free(g);
}

int
gather_fd(const struct gather *g)
{
	return g->ep;
}

int
gather_add(struct gather *g, int fd, bool edge)
{
	struct epoll_event ev = { .data.fd = fd };

	ev.events = edge ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN;
	if (epoll_ctl(g->ep, EPOLL_CTL_ADD, fd, &ev) == -1 && errno != EEXIST)
		return -errno;
	return 0;
}

void
gather_del(struct gather *g, int fd)
{
	/* Closed already: then it isn't in there. */
	(void)epoll_ctl(g->ep, EPOLL_CTL_DEL, fd, NULL);
}

void
gather_arm(struct gather *g, int64_t ms)
{
	struct itimerspec t = { .it_value = { 0, 0 } };

	if (ms > 0) {
		t.it_value.tv_sec = (time_t)(ms / 1000);
		t.it_value.tv_nsec = (long)(ms % 1000) * 1000000;
	} else if (ms == 0) {
		t.it_value.tv_nsec = 1;		/* 0 would be never */
	}
	/* This also takes back what the timer has told. */
	(void)timerfd_settime(g->timer, 0, &t, NULL);
}

void
gather_clear(struct gather *g)
{
	struct epoll_event ev[16];

	/* Edges are told once: taking them is enough. */
	(void)epoll_wait(g->ep, ev, 16, 0);
}
