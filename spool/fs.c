/*
 * fs.c - small files, whole, and names that can't lead anywhere else.
 */
#include "config.h"

#include "spool/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_LINUX_OPENAT2_H
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

#include "base/rnd.h"

bool
fs_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX || memchr(name, '/', len) != NULL)
		return false;
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool
spool_component_ok(const char *name, size_t len)
{
	static const char odd[] = "._#@+=-";

	if (len == 0 || len > 100 || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
		    !(c >= 'A' && c <= 'Z') &&
		    memchr(odd, c, sizeof(odd) - 1) == NULL)
			return false;
	}
	return true;
}

/*
 * One component and O_NOFOLLOW is all that it takes. openat2() says the same
 * once more to the kernel, where that knows it and a sandbox lets us ask.
 */
static int
open_at(int dir, const char *name, int flags, mode_t mode)
{
	int fd;

	if (!fs_name_ok(name))
		return -EINVAL;
	flags |= O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
#ifdef HAVE_LINUX_OPENAT2_H
	struct open_how how = {
		.flags = (uint64_t)flags,
		.mode = (flags & O_CREAT) != 0 ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
	};

	do {
		fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
	} while (fd == -1 && errno == EINTR);
	if (fd != -1)
		return fd;
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
#endif
	do {
		fd = openat(dir, name, flags, mode);
	} while (fd == -1 && errno == EINTR);
	return fd == -1 ? -errno : fd;
}

int
fs_open_any(int dir, const char *name, int flags, struct stat *st)
{
	int fd = open_at(dir, name, flags, 0600);
	int rc = 0;

	/* A socket, or a FIFO that nobody reads; a directory to write to. */
	if (fd == -ENXIO || fd == -ENODEV || fd == -EISDIR)
		return -EINVAL;
	if (fd < 0)
		return fd;
	if (fstat(fd, st) == -1)
		rc = -errno;
	else if (!S_ISREG(st->st_mode) || st->st_uid != geteuid())
		rc = -EINVAL;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int
fs_open_file(int dir, const char *name, int flags, struct stat *st)
{
	int fd = fs_open_any(dir, name, flags, st);

	if (fd >= 0 && st->st_nlink > 1) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

int
fs_create(int dir, const char *name)
{
	return open_at(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);
}

int
fs_open_dir(int dir, const char *name)
{
	return open_at(dir, name, O_RDONLY | O_DIRECTORY, 0);
}

int
fs_write_all(int fd, const void *p, size_t len)
{
	return fs_pwrite_all(fd, p, len, -1);
}

int
fs_pwrite_all(int fd, const void *p, size_t len, off_t at)
{
	const char *from = p;

	while (len > 0) {
		ssize_t n = at == -1 ? write(fd, from, len) :
		    pwrite(fd, from, len, at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0)
			return -EIO;
		from += n;
		len -= (size_t)n;
		if (at != -1)
			at += n;
	}
	return 0;
}

int
fs_read_from(int fd, off_t at, size_t max, struct buf *out)
{
	size_t want;
	ssize_t n;
	char *to;

	while (max > 0) {
		want = max < FS_READ_STEP ? max : FS_READ_STEP;
		to = buf_reserve(out, want);
		if (to == NULL)
			return -ENOMEM;
		n = pread(fd, to, want, at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0)
			break;
		out->len += (size_t)n;
		out->p[out->len] = '\0';
		at += n;
		max -= (size_t)n;
	}
	return 0;
}

int
fs_sync(int fd)
{
	/* Some file systems have no notion of syncing a directory. */
	if (fsync(fd) == 0 || errno == EINVAL)
		return 0;
	return -errno;
}

int
fs_exists(int dir, const char *name)
{
	struct stat st;

	if (!fs_name_ok(name))
		return -EINVAL;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

int
fs_remove(int dir, const char *name)
{
	if (!fs_name_ok(name))
		return -EINVAL;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	/* POSIX says EPERM for a directory, Linux EISDIR. */
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

/*
 * For file systems without the flag. A link fails where the name is taken,
 * as we need it; between the two calls the file has both names, which
 * spool_recover() knows. Without hard links there is nothing left but to
 * look first, and to trust in being the only writer.
 */
static int
rename_by_link(int from_dir, const char *from, int to_dir, const char *to)
{
	int rc;

	if (linkat(from_dir, from, to_dir, to, 0) == 0)
		return unlinkat(from_dir, from, 0) == -1 &&
		    errno != ENOENT ? -errno : 0;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS &&
	    errno != EMLINK)
		return -errno;
	rc = fs_exists(to_dir, to);
	if (rc != 0)
		return rc < 0 ? rc : -EEXIST;
	return renameat(from_dir, from, to_dir, to) == -1 ? -errno : 0;
}

int
fs_rename_noreplace(int from_dir, const char *from, int to_dir, const char *to)
{
	if (!fs_name_ok(from) || !fs_name_ok(to))
		return -EINVAL;
#ifdef HAVE_RENAMEAT2
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -errno;
#endif
	return rename_by_link(from_dir, from, to_dir, to);
}

/*
 * A fresh file under a temporary name. What a crash left there is ours and
 * goes; what can't go (a directory with something in it) is walked around.
 */
static int
create_tmp(int dir, const char *name, char tmp[NAME_MAX + 1])
{
	char rnd[9];
	int fd, n;

	if (!fs_name_ok(name))
		return -EINVAL;
	n = snprintf(tmp, NAME_MAX + 1, ".%s.new", name);
	if (n < 0 || n > NAME_MAX)
		return -ENAMETOOLONG;
	fd = fs_create(dir, tmp);
	if (fd != -EEXIST)
		return fd;
	if (fs_remove(dir, tmp) == 0) {
		fd = fs_create(dir, tmp);
		if (fd != -EEXIST)
			return fd;
	}
	rnd_name(rnd, sizeof(rnd) - 1);
	n = snprintf(tmp, NAME_MAX + 1, ".%s.%s.new", name, rnd);
	if (n < 0 || n > NAME_MAX)
		return -ENAMETOOLONG;
	return fs_create(dir, tmp);
}

/* tmp takes the name, by a swap if that is wanted and can be had. */
static int
rename_over(int dir, const char *tmp, const char *name, bool swap)
{
#ifdef HAVE_RENAMEAT2
	if (swap && renameat2(dir, tmp, dir, name, RENAME_EXCHANGE) == 0) {
		/* Where a directory was swapped out, it goes back. */
		if (unlinkat(dir, tmp, 0) == 0 || errno == ENOENT)
			return 0;
		if (renameat2(dir, tmp, dir, name, RENAME_EXCHANGE) == -1)
			return -errno;
	}
#else
	(void)swap;
#endif
	return renameat(dir, tmp, dir, name) == -1 ? -errno : 0;
}

int
fs_replace(int dir, const char *name, const void *p, size_t len,
    enum fs_how how, int *out)
{
	char tmp[NAME_MAX + 1];
	int fd, rc;

	fd = create_tmp(dir, name, tmp);
	if (fd < 0)
		return fd;	/* not ours: nothing to remove */

	rc = fs_write_all(fd, p, len);
	if (rc == 0 && how == FS_DURABLE)
		rc = fs_sync(fd);
	if (rc == 0)
		rc = rename_over(dir, tmp, name, how == FS_SWAPPED);
	if (rc < 0) {
		unlinkat(dir, tmp, 0);
		close(fd);
		return rc;
	}
	if (how == FS_DURABLE)
		rc = fs_sync(dir);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

int
spool_replace(int dir, const char *name, const void *p, size_t len,
    bool durable)
{
	int fd, rc;

	rc = fs_replace(dir, name, p, len, durable ? FS_DURABLE : FS_RENAMED,
	    &fd);

	if (rc == 0 && close(fd) == -1 && errno != EINTR)
		rc = -errno;
	return rc;
}

int
spool_extend(int dir, const char *name, size_t at, const void *p, size_t len)
{
	struct stat st;
	int fd = fs_open_file(dir, name, O_WRONLY, &st), rc;

	if (fd < 0)
		return fd == -ENOMEM || fd == -EMFILE || fd == -ENFILE ? fd :
		    -ESTALE;
	rc = st.st_size == (off_t)at ? 0 : -ESTALE;
	if (rc == 0)
		rc = fs_pwrite_all(fd, p, len, (off_t)at);
	if (rc == 0 && fdatasync(fd) == -1)
		rc = -errno;
	close(fd);
	return rc;
}

void
fs_sweep(int dir)
{
	struct spool_names l;

	if (fs_list(dir, FS_ALL, &l) == 0) {
		for (size_t i = 0; i < l.n; i++) {
			size_t len = strlen(l.name[i]);

			if (l.name[i][0] == '.' && len > 5 &&
			    strcmp(l.name[i] + len - 4, ".new") == 0)
				unlinkat(dir, l.name[i], 0);
		}
	}
	spool_names_fini(&l);
}

int
spool_slurp(int dir, const char *name, size_t max, struct buf *out)
{
	size_t len = out->len;
	struct stat st;
	int fd, rc;

	fd = fs_open_file(dir, name, O_RDONLY, &st);
	if (fd < 0)
		return fd;
	/* One byte more tells whether there is more. */
	rc = fs_read_from(fd, 0, max < SIZE_MAX ? max + 1 : max, out);
	close(fd);
	if (rc == 0 && out->len - len > max)
		rc = -EFBIG;
	if (rc < 0 && out->p != NULL) {
		out->len = len;
		out->p[len] = '\0';
	}
	return rc;
}

int
spool_subdir(int dir, const char *name, bool create, int *fd)
{
	int rc = fs_open_dir(dir, name);

	if (rc == -ENOENT && create) {
		if (mkdirat(dir, name, 0700) == -1 && errno != EEXIST)
			return -errno;
		rc = fs_open_dir(dir, name);
	}
	if (rc < 0)
		return rc;
	*fd = rc;
	return 0;
}

static bool
wanted(int dir, const struct dirent *de, enum fs_kind kind)
{
	struct stat st;

	if (kind == FS_ALL)
		return strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0;
	if (de->d_name[0] == '.')
		return false;
	if (de->d_type != DT_UNKNOWN)
		return de->d_type == (kind == FS_DIRS ? DT_DIR : DT_REG);
	if (fstatat(dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return false;
	return kind == FS_DIRS ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
spool_opendir(int dir, DIR **out)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd == -1)
		return -errno;
	*out = fdopendir(fd);
	if (*out != NULL)
		return 0;
	rc = -errno;
	close(fd);
	return rc;
}

/* The names into text, each with its NUL; n counts them. */
static int
read_names(int dir, enum fs_kind kind, struct spool_names *l)
{
	struct dirent *de;
	DIR *d;
	int rc = spool_opendir(dir, &d);

	if (rc < 0)
		return rc;
	while (errno = 0, (de = readdir(d)) != NULL) {
		if (!wanted(dir, de, kind))
			continue;
		buf_add(&l->text, de->d_name, strlen(de->d_name) + 1);
		l->n++;
	}
	rc = -errno;
	closedir(d);
	return rc < 0 ? rc : buf_err(&l->text);
}

int
fs_list(int dir, enum fs_kind kind, struct spool_names *l)
{
	char *at;
	int rc;

	*l = (struct spool_names){ .text = BUF_INIT };
	rc = read_names(dir, kind, l);
	if (rc == 0 && l->n > 0) {
		l->name = calloc(l->n, sizeof(*l->name));
		if (l->name == NULL)
			rc = -ENOMEM;
	}
	if (rc < 0) {
		spool_names_fini(l);
		return rc;
	}
	at = l->text.p;
	for (size_t i = 0; i < l->n; i++) {
		l->name[i] = at;
		at += strlen(at) + 1;
	}
	if (l->n > 1)
		qsort(l->name, l->n, sizeof(*l->name), by_name);
	return 0;
}

void
spool_names_fini(struct spool_names *l)
{
	free(l->name);
	buf_fini(&l->text);
	*l = (struct spool_names){ .text = BUF_INIT };
}
