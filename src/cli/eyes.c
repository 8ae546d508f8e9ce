/*
 * eyes.c - wait until something has happened in the local spool.
 */
#include "config.h"

#include "cli/eyes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "spool/spool.h"

/* Without events, and with: what isn't announced is seen by looking. */
#define BLIND_MS	50
#define RELOOK_MS	250

struct eyes {
	struct inst	*in;
	struct spool_watch *watch;
	unsigned	 wants;
};

static int
watch_box(void *arg, const char *name)
{
	struct eyes *e = arg;
	struct spool_box *box;
	int rc = spool_box(e->in->sp, name, false, &box);

	/* Left and joined again: what we hold is not what is there. */
	if (rc == 0 && spool_box_gone(box)) {
		spool_box_drop(e->in->sp, box);
		rc = spool_box(e->in->sp, name, false, &box);
	}
	/* One that can't be watched is looked at all the same, only later. */
	if (rc == 0)
		(void)!spool_watch_box(e->watch, box);
	return 0;
}

static void
watch_boxes(struct eyes *e)
{
	if (e->wants & SPOOL_HINT_NEW)
		(void)!spool_each_box(e->in->sp, watch_box, e);
}

int
eyes_open(struct eyes **out, struct inst *in, unsigned wants)
{
	struct eyes *e = calloc(1, sizeof(*e));
	int rc;

	if (e == NULL)
		return -ENOMEM;
	e->in = in;
	e->wants = wants;
	if (wants & SPOOL_HINT_NEW)
		wants |= SPOOL_HINT_INSTANCE;
	rc = spool_watch_open(&e->watch, in->sp, wants, false);
	if (rc < 0) {
		free(e);
		return rc;
	}
	watch_boxes(e);
	*out = e;
	return 0;
}

void
eyes_close(struct eyes *e)
{
	if (e == NULL)
		return;
	spool_watch_close(e->watch);
	free(e);
}

static void
on_hint(void *arg, enum spool_hint hint, struct spool_box *box)
{
	bool *boxes_changed = arg;

	(void)box;
	*boxes_changed |= hint == SPOOL_HINT_INSTANCE;
}

void
eyes_wait(struct eyes *e, int64_t timeout_ms)
{
	struct pollfd pfd = { .fd = spool_watch_fd(e->watch),
	    .events = POLLIN };
	int64_t most = pfd.fd >= 0 ? RELOOK_MS : BLIND_MS;
	bool boxes_changed = false;

	if (timeout_ms < 0 || timeout_ms > most)
		timeout_ms = most;
	(void)poll(&pfd, 1, (int)timeout_ms);
	(void)!spool_watch_read(e->watch, on_hint, &boxes_changed);
	if (boxes_changed)
		watch_boxes(e);
}
