/*
 * lock.c - one daemon per instance: the pid file.
 *
 * A POSIX lock on daemon.pid, because the kernel then says who holds it: what
 * a crashed daemon wrote there, or whose pid that is today, doesn't matter.
 * An agent may remove the file, and with it what a second daemon would have
 * met; so the directory, which we hold, carries a flock() besides.
 */
#include "config.h"

#include "spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PID_FILE "daemon.pid"
#define TRIES 8

/*
 * Lock the file that has the name now: a holder that ends removes it, maybe
 * between our open and our lock. A descriptor, or a negative errno.
 */
static int
lock_file(int dir)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st, named;
	int fd, rc;

	for (int i = 0; i < TRIES; i++) {
		fd = fs_open_file(dir, PID_FILE, O_RDWR | O_CREAT, &st);
		if (fd < 0)
			return fd;
		if (fcntl(fd, F_SETLK, &fl) == -1) {
			rc = errno == EACCES || errno == EAGAIN ?
			    -EBUSY : -errno;
			close(fd);
			return rc;
		}
		if (fstatat(dir, PID_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    named.st_dev == st.st_dev && named.st_ino == st.st_ino)
			return fd;
		close(fd);
	}
	return -EBUSY;
}

/* What a crash left, here and in the directories one floor down. */
static void
sweep(int dir)
{
	struct spool_names l;
	int sub;

	fs_sweep(dir);
	if (fs_list(dir, FS_DIRS, &l) < 0)
		return;
	for (size_t i = 0; i < l.n; i++) {
		sub = fs_open_dir(dir, l.name[i]);
		if (sub < 0)
			continue;
		fs_sweep(sub);
		close(sub);
	}
	spool_names_fini(&l);
}

int
spool_lock(struct spool *sp)
{
	char text[24];
	int fd, len, rc;

	if (sp->lock != -1)
		return 0;
	/* Where a file system has no flock(), the file alone must do. */
	if (flock(sp->dir, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
		return -EBUSY;
	fd = lock_file(sp->dir);
	if (fd < 0) {
		(void)flock(sp->dir, LOCK_UN);
		return fd;
	}
	/*
	 * On a full disk there may be no text, and that is no reason not to
	 * start: the lock says as much. Never empty in between.
	 */
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	rc = fs_pwrite_all(fd, text, (size_t)len, 0);
	if (rc == 0 && ftruncate(fd, len) == -1)
		rc = -errno;
	if (rc < 0 && rc != -ENOSPC && rc != -EDQUOT) {
		close(fd);
		(void)flock(sp->dir, LOCK_UN);
		return rc;
	}
	sp->lock = fd;
	sweep(sp->dir);
	return 0;
}

void
spool_unlock(struct spool *sp)
{
	struct stat st, named;

	if (sp->lock == -1)
		return;
	/* Only ours: the name may lead to a file of somebody else by now. */
	if (fstat(sp->lock, &st) == 0 &&
	    fstatat(sp->dir, PID_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    named.st_dev == st.st_dev && named.st_ino == st.st_ino)
		(void)unlinkat(sp->dir, PID_FILE, 0);
	close(sp->lock);
	sp->lock = -1;
}

/* The pid that the file names; 0 if it names none. */
static pid_t
read_pid(int fd)
{
	struct buf b = BUF_INIT;
	long pid = 0;
	char *end;

	if (fs_read_from(fd, 0, 23, &b) == 0 && b.len > 0) {
		pid = strtol(b.p, &end, 10);
		if (*end != '\n' || pid < 0)
			pid = 0;
	}
	buf_fini(&b);
	return (pid_t)pid;
}

int
spool_holder(int dir, pid_t *pid)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;
	int fd, rc = 0;

	*pid = 0;
	fd = fs_open_file(dir, PID_FILE, O_RDONLY, &st);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fcntl(fd, F_GETLK, &fl) == -1) {
		rc = -errno;
	} else if (fl.l_type != F_UNLCK) {
		/* 0: the holder lives in another pid namespace. */
		*pid = fl.l_pid > 0 ? fl.l_pid : read_pid(fd);
		rc = *pid == 0 ? -EAGAIN : 0;
	}
	close(fd);
	return rc;
}
