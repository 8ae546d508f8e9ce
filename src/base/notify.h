/*
 * notify.h - tell the service manager how we are: sd_notify(3), without its
 * library. Where no $NOTIFY_SOCKET is set nothing happens.
 */
#ifndef AC_BASE_NOTIFY_H
#define AC_BASE_NOTIFY_H

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
 * this process ($WATCHDOG_USEC, $WATCHDOG_PID). Never blocks: -EAGAIN is no
 * harm, the next one comes in time.
 */
int	notify_alive(void);

#endif
