/*
 * notify.h - tell the service manager how we are: sd_notify(3), without its
 * library. Where no $NOTIFY_SOCKET is set nothing happens.
 */
#ifndef AC_BASE_NOTIFY_H
#define AC_BASE_NOTIFY_H

#include <stdint.h>

#include "base/attr.h"

/*
 * Send lines of NAME=value: "READY=1", "STOPPING=1", "STATUS=...". Blocks
 * while the manager's queue is full, so: not once a second.
 *
 * Returns 0, also where nobody wants to know; -EINVAL for an address that is
 * neither a path nor abstract (Linux); else a negative errno. Losing a
 * notification is the manager's to notice: callers log this at most.
 */
int	notify_send(const char *state) AC_NONNULL(1);

/*
 * "WATCHDOG=1", from the loop that is to be watched, if the manager watches
 * this process ($WATCHDOG_USEC, $WATCHDOG_PID). Never blocks, and may get
 * lost: the next one comes in time.
 *
 * Returns milliseconds after which it is to be called again, 1000 or more: a
 * quarter of what the manager allows. -1: nobody watches.
 */
int64_t	notify_alive(void);

#endif
