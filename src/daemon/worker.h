/*
 * worker.h - a thread that waits for the disk, so that the loop doesn't.
 */
#ifndef AC_DAEMON_WORKER_H
#define AC_DAEMON_WORKER_H

#include <stdbool.h>

#include "base/attr.h"

struct loop;
struct worker;

/*
 * job	on the worker's thread; its result goes to done
 * done	on the loop's thread, once per worker_start()
 */
typedef int worker_job_fn(void *arg);
typedef void worker_done_fn(void *arg, int result);

int	worker_new(struct worker **, struct loop *, worker_job_fn *,
	    worker_done_fn *, void *arg) AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;
/* Waits for the job that runs; its done is not called. NULL accepted. */
void	worker_free(struct worker *);

/* Run the job once. Not while it is busy. */
void	worker_start(struct worker *) AC_NONNULL(1);
/* From worker_start() until done is called. */
bool	worker_busy(const struct worker *) AC_NONNULL(1);
/* Wait for the job that runs, if any, and call done now. Blocks. */
void	worker_finish(struct worker *) AC_NONNULL(1);

#endif
