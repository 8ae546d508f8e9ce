/*
 * fault.c - system calls that fail or kill.
 */
#include "config.h"

#include "unit.h"
#include "fault.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	long		 count;
	long		 die_at;
	bool		 half;
	const char	*fail;
	long		 fail_at;
	long		 fail_count;
	int		 err;
	size_t		 short_max;
} fault;

void
fault_none(void)
{
	memset(&fault, 0, sizeof(fault));
}

long
fault_count(void)
{
	return fault.count;
}

void
fault_die(long nth, bool half)
{
	fault_none();
	fault.die_at = nth;
	fault.half = half;
}

void
fault_fail(const char *call, long nth, int err)
{
	fault_none();
	fault.fail = call;
	fault.fail_at = nth;
	fault.err = err;
}

void
fault_fail_all(int err)
{
	fault_fail("*", 0, err);
}

void
fault_short(size_t max)
{
	fault_none();
	fault.short_max = max;
}

/* To be run before each call: true if it must fail with errno. */
static bool
before(const char *call, bool writes)
{
	if (++fault.count == fault.die_at && !(writes && fault.half))
		_exit(FAULT_EXIT);
	if (fault.fail == NULL || (fault.fail[0] != '*' &&
	    strcmp(fault.fail, call) != 0))
		return false;
	if (fault.fail_at != 0 && ++fault.fail_count != fault.fail_at)
		return false;
	errno = fault.err;
	return true;
}

#define CALL(ret, name, args, pass) \
	ret __real_##name args; \
	ret __wrap_##name args; \
	ret __wrap_##name args \
	{ \
		return before(#name, false) ? -1 : __real_##name pass; \
	}

CALL(int, ftruncate, (int fd, off_t len), (fd, len))
CALL(int, fsync, (int fd), (fd))
CALL(int, fdatasync, (int fd), (fd))
CALL(int, syncfs, (int fd), (fd))
CALL(int, mkdirat, (int dir, const char *p, mode_t mode), (dir, p, mode))
CALL(int, linkat, (int d, const char *p, int e, const char *q, int fl),
    (d, p, e, q, fl))
CALL(int, unlinkat, (int dir, const char *p, int fl), (dir, p, fl))
CALL(int, renameat, (int d, const char *p, int e, const char *q),
    (d, p, e, q))
CALL(int, renameat2, (int d, const char *p, int e, const char *q,
    unsigned fl), (d, p, e, q, fl))

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int
__wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return before("openat", false) ? -1 :
	    __real_openat(dir, path, flags, mode);
}

/* openat2() has no function of its own. */
long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, ...);
long
__wrap_syscall(long nr, ...)
{
	long a[4];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return before("openat", false) ? -1 :
	    __real_syscall(nr, a[0], a[1], a[2], a[3]);
}

ssize_t __real_pwrite(int fd, const void *p, size_t len, off_t off);
ssize_t __wrap_pwrite(int fd, const void *p, size_t len, off_t off);
ssize_t
__wrap_pwrite(int fd, const void *p, size_t len, off_t off)
{
	if (before("pwrite", true))
		return -1;
	if (fault.count == fault.die_at) {
		if (__real_pwrite(fd, p, len / 2, off) < 0)
			_exit(1);
		_exit(FAULT_EXIT);
	}
	if (fault.short_max != 0 && len > fault.short_max)
		len = fault.short_max;
	return __real_pwrite(fd, p, len, off);
}

ssize_t __real_write(int fd, const void *p, size_t len);
ssize_t __wrap_write(int fd, const void *p, size_t len);
ssize_t
__wrap_write(int fd, const void *p, size_t len)
{
	if (before("write", true))
		return -1;
	if (fault.count == fault.die_at) {
		if (__real_write(fd, p, len / 2) < 0)
			_exit(1);
		_exit(FAULT_EXIT);
	}
	if (fault.short_max != 0 && len > fault.short_max)
		len = fault.short_max;
	return __real_write(fd, p, len);
}

void
fault_each(void (*prepare)(void *), int (*step)(void *),
    void (*verify)(void *, bool died), void *arg)
{
	for (int half = 0; half < 2; half++) {
		bool died = true;

		for (long n = 1; died; n++) {
			pid_t pid;
			int status;

			assert_true(n < 10000);
			prepare(arg);
			pid = fork();
			assert_true(pid >= 0);
			if (pid == 0) {
				fault_die(n, half);
				_exit(step(arg) == 0 ? 0 : 1);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status));
			died = WEXITSTATUS(status) == FAULT_EXIT;
			if (!died)
				assert_int_equal(WEXITSTATUS(status), 0);
			verify(arg, died);
		}
	}
}

void
fault_append(int dir, const char *name, const void *p, size_t len)
{
	int fd = __real_openat(dir, name,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(__real_write(fd, p, len), len);
	close(fd);
}

int
fault_dir(char out[64])
{
	int fd;

	strcpy(out, "/tmp/agentchat-test.XXXXXX");
	assert_non_null(mkdtemp(out));
	fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int
remove_one(const char *path, const struct stat *st, int what, struct FTW *f)
{
	(void)st;
	(void)what;
	(void)f;
	return remove(path);
}

void
fault_dir_remove(int fd, const char *path)
{
	fault_none();
	close(fd);
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}
