/*
 * quota.c - --max-spool: the instance's directory has a limit of its own.
 *
 * Over it is as if the disk were full. What is there is counted now and then,
 * what comes is added, and only who has reached the limit looks again and
 * again whether an agent has made room.
 */
#include "config.h"

#include "daemon/state.h"

#include <errno.h>

#include "base/err.h"
#include "base/log.h"

#define BLOCK	4096	/* the least that a file takes, nearly everywhere */

int
quota_take(struct daemon *d, size_t len)
{
	if (d->conf->max_spool == 0)
		return 0;
	if (d->used >= d->conf->max_spool) {
		d->over = true;
		return -EDQUOT;
	}
	d->used += (len + BLOCK) / BLOCK * BLOCK;
	return 0;
}

bool
quota_look(struct daemon *d)
{
	uint64_t used;
	int rc;

	if (d->conf->max_spool == 0)
		return false;
	d->used_stale = false;
	rc = spool_usage(d->sp, &used);
	if (rc < 0)
		log_warn("usage", "err", ac_strerror(rc), NULL);
	else
		d->used = used;
	d->over = d->used >= d->conf->max_spool;
	return d->over;
}

void
quota_tick(struct daemon *d)
{
	if (d->used_stale && !d->full && quota_look(d))
		publish_disk_full(d, -EDQUOT);
}
