/*
 * notify.c - the service manager's socket: one datagram per notification.
 *
 * The socket is opened anew each time. The manager may have been restarted
 * meanwhile, and a descriptor kept would be one more thing to close in forks.
 */
#include "config.h"

#include "base/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/conf.h"

#define BEATS		4	/* within the time that we are given */
#define BEAT_MS_MIN	1000

/* Where to, or -ENOENT: nobody listens. A leading '@' is the NUL of Linux. */
static int
address(struct sockaddr_un *sun, socklen_t *len)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n;

	if (path == NULL || *path == '\0')
		return -ENOENT;
	n = strlen(path);
	if ((*path != '/' && *path != '@') || n < 2 ||
	    n >= sizeof(sun->sun_path))
		return -EINVAL;
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, n);
	if (*path == '@')
		sun->sun_path[0] = '\0';
	/* An abstract name ends where the length says, not at a NUL. */
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n +
	    (*path == '/'));
	return 0;
}

static int
put(const char *state, int flags)
{
	struct sockaddr_un sun;
	socklen_t len;
	ssize_t n;
	int fd, rc = address(&sun, &len);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	do
		n = sendto(fd, state, strlen(state), flags | MSG_NOSIGNAL,
		    (const struct sockaddr *)&sun, len);
	while (n == -1 && errno == EINTR);
	rc = n == -1 ? -errno : 0;
	close(fd);
	return rc;
}

int
notify_send(const char *state)
{
	return put(state, 0);
}

int64_t
notify_alive(void)
{
	const char *text = getenv("WATCHDOG_USEC"),
	    *pid = getenv("WATCHDOG_PID");
	int64_t usec, n;

	if (text == NULL || conf_int(text, 1, INT64_MAX, &usec) < 0)
		return -1;
	/* It is inherited: meant for our parent, perhaps. */
	if (pid != NULL && (conf_int(pid, 1, INT64_MAX, &n) < 0 ||
	    n != (int64_t)getpid()))
		return -1;
	(void)!put("WATCHDOG=1", MSG_DONTWAIT);
	n = usec / 1000 / BEATS;
	return n > BEAT_MS_MIN ? n : BEAT_MS_MIN;
}
