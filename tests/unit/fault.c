/*
 * fault.c - system calls that fail or kill.
 */
#include "config.h"

#include "unit.h"
#include "fault.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
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

/*
 * Files by their last component, and how much of them was synced: of the
 * file, and of it to where there is nothing but zeros, room for more.
 */
#define SEG_NAME 16
static struct {
	int	 n;
	struct {
		char	 name[SEG_NAME + 1];
		off_t	 len, used;
	}	 file[256];
} *synced;

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

off_t
fault_used(int fd, off_t len)
{
	off_t used = 0;
	char *p;

	if (len == 0)
		return 0;
	p = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return 0;
	for (used = len; used > 0 && p[used - 1] == 0; used--)
		;
	munmap(p, (size_t)len);
	return used;
}

static void
note_sync(int fd)
{
	char link[32], path[256];
	const char *name;
	struct stat st;
	ssize_t n;
	int i;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (synced == NULL || n < 0 || fstat(fd, &st) == -1)
		return;
	path[n] = '\0';
	name = strrchr(path, '/');
	if (name == NULL || strlen(name + 1) != SEG_NAME)
		return;
	for (i = 0; i < synced->n; i++)
		if (strcmp(synced->file[i].name, name + 1) == 0)
			break;
	if (i == 256)
		_exit(1);
	if (i == synced->n)
		synced->n++;
	strcpy(synced->file[i].name, name + 1);
	synced->file[i].len = st.st_size;
	synced->file[i].used = fault_used(fd, st.st_size);
}

#define SYNC(name) \
	int __real_##name(int fd); \
	int __wrap_##name(int fd); \
	int __wrap_##name(int fd) \
	{ \
		int rc = before(#name, false) ? -1 : __real_##name(fd); \
		if (rc == 0) \
			note_sync(fd); \
		return rc; \
	}

SYNC(fsync)
SYNC(fdatasync)
CALL(int, syncfs, (int fd), (fd))
CALL(int, sync_file_range, (int fd, off_t at, off_t len, unsigned fl),
    (fd, at, len, fl))
CALL(int, fallocate, (int fd, int mode, off_t at, off_t len),
    (fd, mode, at, len))
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
fault_note_syncs(void)
{
	if (synced == NULL) {
		synced = mmap(NULL, sizeof(*synced), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(synced, MAP_FAILED);
	}
	synced->n = 0;
}

void
fault_cut(int dir)
{
	int fd = __real_openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	struct dirent *de;

	assert_non_null(d);
	while ((de = readdir(d)) != NULL) {
		off_t len = 0, used = 0;

		if (strlen(de->d_name) != SEG_NAME)
			continue;
		for (int i = 0; i < synced->n; i++)
			if (strcmp(synced->file[i].name, de->d_name) == 0) {
				len = synced->file[i].len;
				used = synced->file[i].used;
			}
		fd = __real_openat(dir, de->d_name, O_WRONLY);
		assert_true(fd >= 0);
		assert_int_equal(__real_ftruncate(fd, used), 0);
		assert_int_equal(__real_ftruncate(fd, len), 0);
		close(fd);
	}
	closedir(d);
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
