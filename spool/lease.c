/*
 * lease.c - does anybody have this file open for writing?
 *
 * The kernel would tell us with SIGIO that somebody wants the lease back, and
 * that signal's default is to kill. It belongs to the program that we are
 * part of, so it must not come at all: we ask for the lease again and again
 * instead. F_SETOWN 0 silences it; SIGURG, which does nothing by default,
 * stands in for the instant between taking the lease and saying so.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "spool/queue_int.h"

#ifdef F_SETLEASE

int
lease_take(int fd)
{
	if (fcntl(fd, F_SETSIG, SIGURG) == -1)
		return -errno;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == -1)
		return errno == EAGAIN ? 0 : -errno;
	if (fcntl(fd, F_SETOWN, 0) == -1) {
		int rc = -errno;

		lease_drop(fd);
		return rc;
	}
	return 1;
}

bool
lease_held(int fd)
{
	return fcntl(fd, F_GETLEASE) == F_RDLCK;
}

void
lease_drop(int fd)
{
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
}

#else

int
lease_take(int fd)
{
	(void)fd;
	return -ENOTSUP;
}

bool
lease_held(int fd)
{
	(void)fd;
	return false;
}

void
lease_drop(int fd)
{
	(void)fd;
}

#endif
