/*
 * refused.c - what was refused before the daemon was killed.
 *
 * A refusal is two files in failed/, and after the next sync the queue forgets
 * the message. Killed in between, we would send it again, and it might get
 * through: an agent that has read the reason and said it anew would be heard
 * twice. So what stands in failed/ as it stands in the queue is done.
 */
#include "config.h"

#include "daemon/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/outcome.h"

/* The number in "<target>.<name>.<number>.json.reason"; 0: none. */
static uint64_t
number_of(const char *name)
{
	static const char end[] = ".json.reason";
	size_t len = strlen(name), at;

	if (len < sizeof(end) || strcmp(name + len - (sizeof(end) - 1),
	    end) != 0)
		return 0;
	len -= sizeof(end) - 1;
	for (at = len; at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9';
	    at--)
		;
	return strtoull(name + at, NULL, 10);
}

/* Is it this very item that failed under this name? 1, 0, or an error. */
static int
is_same(struct daemon *d, const struct spool_item *it, const char *reason)
{
	struct outcome r = { .target = it->target, .name = it->name,
	    .queue_id = it->id };
	struct buf file = BUF_INIT;
	char name[OUTCOME_NAME_MAX];
	int rc;

	snprintf(name, sizeof(name), "%.*s", (int)(strlen(reason) -
	    strlen(".reason")), reason);
	buf_clear(&d->tx.body);
	rc = spool_queue_read(d->tx.queue, it, &d->tx.body);
	if (rc == 0)
		rc = spool_slurp(d->failed_dir, name, SPOOL_MSG_MAX * 2, &file);
	if (rc == 0)
		rc = outcome_is(&file, &r, d->tx.body.p != NULL ?
		    d->tx.body.p : "", d->tx.body.len);
	buf_fini(&file);
	return rc == -ENOMEM || rc == -EIO ? rc : rc == 1;
}

static int
settle_one(struct daemon *d, const char *reason)
{
	uint64_t id = number_of(reason);
	const struct spool_item *it = id > 0 ?
	    spool_queue_next(d->tx.queue, id - 1) : NULL;
	int rc;

	if (it == NULL || it->id != id)
		return 0;
	rc = is_same(d, it, reason);
	if (rc == 1) {
		log_info("not_sent", "file", it->name, "why",
		    "it was refused before", NULL);
		rc = spool_queue_done(d->tx.queue, id);
	}
	return rc;
}

int
refused_settle(struct daemon *d)
{
	struct dirent *de;
	DIR *dir;
	int rc;

	if (spool_queue_count(d->tx.queue) == 0)
		return 0;
	rc = spool_opendir(d->failed_dir, &dir);
	if (rc < 0)
		return rc;
	while (rc == 0 && (errno = 0, de = readdir(dir)) != NULL)
		rc = settle_one(d, de->d_name);
	if (rc == 0)
		rc = -errno;
	closedir(dir);
	return rc;
}
