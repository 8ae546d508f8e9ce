/*
 * append.c - files that only grow, with more than one writer.
 */
#include "config.h"

#include "spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
lock(int fd)
{
	int rc;

	do
		rc = flock(fd, LOCK_EX);
	while (rc == -1 && errno == EINTR);
	return rc == -1 ? -errno : 0;
}

/*
 * A power cut leaves the beginning of a line. Whoever wrote that line writes
 * it again, so its beginning goes; anything else was put there by somebody and
 * only wants its newline. *at: where the file is good up to.
 */
static void
mend(const struct buf *old, const char *line, size_t len, size_t *at,
    bool *newline)
{
	size_t tail = old->len;

	while (tail > 0 && old->p[tail - 1] != '\n')
		tail--;
	*at = old->len;
	*newline = tail < old->len;
	if (*newline && old->len - tail <= len &&
	    memcmp(old->p + tail, line, old->len - tail) == 0) {
		*at = tail;
		*newline = false;
	}
}

/* All of it, or the file is as it was before. */
static int
write_line(int fd, const struct buf *old, size_t at, bool newline,
    const char *line, size_t len)
{
	struct buf b = BUF_INIT;
	int rc;

	if (newline)
		buf_addc(&b, '\n');
	buf_add(&b, line, len);
	buf_addc(&b, '\n');
	rc = buf_err(&b);
	if (rc == 0 && at < old->len && ftruncate(fd, (off_t)at) == -1)
		rc = -errno;
	if (rc == 0) {
		rc = fs_pwrite_all(fd, b.p, b.len, (off_t)at);
		if (rc == 0)
			rc = fs_sync(fd);
		if (rc < 0 && ftruncate(fd, (off_t)at) == -1)
			rc = -errno;
	}
	buf_fini(&b);
	return rc;
}

int
spool_append(int dir, const char *name, const void *line, size_t len,
    size_t max, spool_has_fn *has, void *arg)
{
	struct buf old = BUF_INIT;
	struct stat st;
	bool newline;
	size_t at;
	int fd, rc;

	fd = fs_open_file(dir, name, O_RDWR | O_CREAT, &st);
	if (fd < 0)
		return fd;
	rc = lock(fd);
	if (rc == 0)
		rc = fs_read_from(fd, 0, max + 1, &old);
	if (rc == 0 && old.len > max)
		rc = -EFBIG;
	if (rc == 0)
		mend(&old, line, len, &at, &newline);
	if (rc == 0 && (at == 0 || !has(arg, old.p, at))) {
		rc = write_line(fd, &old, at, newline, line, len);
		if (rc == 0 && st.st_size == 0)
			rc = fs_sync(dir);
		if (rc == 0)
			rc = 1;
	}
	close(fd);
	buf_fini(&old);
	return rc;
}
