/*
 * loop.h - one event loop: a libwebsockets context with descriptors and
 * timers of our own in it. Everything runs on the thread that runs the loop.
 */
#ifndef AC_LIB_LOOP_H
#define AC_LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct loop;
struct loop_timer;	/* embedded nowhere: made by loop_timer_new() */

/*
 * url		of the relay that is to be connected to: for ws:// all of TLS,
 *		which is slow to start and large, is left out
 * ca_file	PEM of the authorities to trust instead of the system's; or NULL
 */
int	loop_new(struct loop **, const char *url, const char *ca_file)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	loop_free(struct loop *);		/* NULL accepted */

/* Until loop_stop(). 0, or a negative errno if the loop itself broke. */
int	loop_run(struct loop *) AC_NONNULL(1) AC_MUST_CHECK;
void	loop_stop(struct loop *) AC_NONNULL(1);	/* from a callback */

/*
 * Call fn after each turn of loop_run(), whatever it did: there it can be seen
 * what is to be waited for. NULL: don't.
 */
typedef void loop_after_fn(void *arg);
void	loop_after(struct loop *, loop_after_fn *, void *arg) AC_NONNULL(1);

/*
 * For somebody else's loop, instead of loop_run() or beside it.
 *
 * fd		a descriptor of the loop's that is readable when there is
 *		something to do; the same each time. To be asked for before the
 *		loop does anything
 * turn		do what there is to do, without waiting
 * nudge	let fd be readable until the next turn
 */
int	loop_fd(struct loop *, int *fd) AC_NONNULL(1, 2) AC_MUST_CHECK;
int	loop_turn(struct loop *) AC_NONNULL(1) AC_MUST_CHECK;
void	loop_nudge(struct loop *) AC_NONNULL(1);

/*
 * Call fn when fd is readable. The loop dups it: the caller keeps its own and
 * may close it at any time after loop_unwatch(). *id: for loop_unwatch(). When
 * the other end of a pipe or terminal has gone, fn is called once, for good.
 */
typedef void loop_fd_fn(void *arg);
int	loop_watch(struct loop *, int fd, loop_fd_fn *, void *arg, void **id)
	    AC_NONNULL(1, 3, 5) AC_MUST_CHECK;
void	loop_unwatch(struct loop *, void *id) AC_NONNULL(1);

/* One shot, milliseconds from now; setting again moves it. */
typedef void loop_timer_fn(void *arg);
int	loop_timer_new(struct loop_timer **, struct loop *, loop_timer_fn *,
	    void *arg) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
void	loop_timer_set(struct loop_timer *, int64_t ms) AC_NONNULL(1);
void	loop_timer_off(struct loop_timer *) AC_NONNULL(1);
bool	loop_timer_on(const struct loop_timer *) AC_NONNULL(1);
void	loop_timer_free(struct loop_timer *);	/* NULL accepted */

#endif
