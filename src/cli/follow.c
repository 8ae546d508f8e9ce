/*
 * follow.c - new lines of a ring, each once.
 */
#include "config.h"

#include "cli/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define STEP	(64 << 10)

struct follow {
	int		 dir;		/* borrowed */
	char		*name;
	int		 fd;		/* -1: not there yet */
	off_t		 at;		/* first byte not read */
	struct buf	 text;		/* read, not yet given */
	struct buf	 last;		/* the newest line given */
	bool		 has_last;
	bool		 skip;		/* find last before giving anything */
};

static int
open_ring(const struct follow *f)
{
	struct stat st;
	int fd = openat(f->dir, f->name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd == -1)
		return -errno;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* Read what the open file has beyond f->at into f->text. */
static int
read_more(struct follow *f)
{
	for (;;) {
		char *p = buf_reserve(&f->text, STEP);
		ssize_t n;

		if (p == NULL)
			return -ENOMEM;
		n = pread(f->fd, p, STEP, f->at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0)
			return 0;
		f->text.len += (size_t)n;
		f->at += n;
	}
}

/* The length of a line without the padding that ends it. */
static size_t
trimmed(const char *p, size_t len)
{
	while (len > 0 && p[len - 1] == ' ')
		len--;
	return len;
}

static bool
is_last(const struct follow *f, const char *p, size_t len)
{
	return len == f->last.len && memcmp(p, f->last.p, len) == 0;
}

/*
 * A new file stands in the old one's place: drop what was given before, up to
 * and with the last line given. If that isn't in it, more has passed than the
 * ring holds, and all of it is new.
 */
static void
skip_given(struct follow *f, bool *missed)
{
	size_t at = 0, behind = 0;
	bool found = false;

	while (at < f->text.len) {
		const char *p = f->text.p + at;
		const char *nl = memchr(p, '\n', f->text.len - at);

		if (nl == NULL)
			break;
		at += (size_t)(nl - p) + 1;
		if (is_last(f, p, trimmed(p, (size_t)(nl - p)))) {
			found = true;
			behind = at;
		}
	}
	buf_drop(&f->text, behind);
	*missed |= !found;
	f->skip = false;
}

static int
remember(struct follow *f, const char *p, size_t len)
{
	buf_clear(&f->last);
	buf_add(&f->last, p, len);
	f->has_last = true;
	return buf_err(&f->last);
}

/* Give the whole lines in f->text; what is left is the start of one. */
static int
give(struct follow *f, follow_fn *fn, void *arg)
{
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && at < f->text.len) {
		const char *p = f->text.p + at;
		const char *nl = memchr(p, '\n', f->text.len - at);
		size_t len;

		if (nl == NULL)
			break;
		len = trimmed(p, (size_t)(nl - p));
		at += (size_t)(nl - p) + 1;
		if (len == 0)
			continue;
		rc = remember(f, p, len);
		if (rc == 0)
			rc = fn(arg, p, len);
	}
	buf_drop(&f->text, at);
	return rc;
}

/* Is the name another file than the one that is open? */
static bool
was_replaced(const struct follow *f)
{
	struct stat held, named;

	if (fstatat(f->dir, f->name, &named, AT_SYMLINK_NOFOLLOW) == -1)
		return false;	/* gone for now: the old one is all there is */
	return f->fd == -1 || fstat(f->fd, &held) == -1 ||
	    held.st_ino != named.st_ino || held.st_dev != named.st_dev;
}

/* Go over to the file that has the name now. 1, or 0 if there is none. */
static int
reopen(struct follow *f)
{
	int fd = open_ring(f);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (f->fd != -1)
		close(f->fd);
	f->fd = fd;
	f->at = 0;
	buf_clear(&f->text);	/* half a line of the old one */
	f->skip = f->has_last;
	return 1;
}

int
follow_read(struct follow *f, follow_fn *fn, void *arg, bool *missed)
{
	bool replaced;
	int rc = 0;

	do {
		/*
		 * Asked before the read: an old file gets no lines once it
		 * has been replaced, so this read is its last.
		 */
		replaced = was_replaced(f);
		if (f->fd != -1) {
			rc = read_more(f);
			if (rc == 0 && f->skip)
				skip_given(f, missed);
			if (rc == 0)
				rc = give(f, fn, arg);
		}
		if (rc == 0 && replaced) {
			rc = reopen(f);
			if (rc == 0)
				break;
			rc = rc < 0 ? rc : 0;
		}
	} while (rc == 0 && replaced);
	return rc;
}

static int
pass_over(void *arg, const char *line, size_t len)
{
	(void)arg;
	(void)line;
	(void)len;
	return 0;
}

int
follow_open(struct follow **out, int dir, const char *name, bool from_start)
{
	struct follow *f = calloc(1, sizeof(*f));
	bool missed = false;
	int rc = 0;

	if (f == NULL)
		return -ENOMEM;
	f->dir = dir;
	f->fd = -1;
	f->name = strdup(name);
	if (f->name == NULL)
		rc = -ENOMEM;
	else if (!from_start)
		rc = follow_read(f, pass_over, NULL, &missed);
	if (rc < 0) {
		follow_close(f);
		return rc;
	}
	*out = f;
	return 0;
}

void
follow_close(struct follow *f)
{
	if (f == NULL)
		return;
	if (f->fd != -1)
		close(f->fd);
	buf_fini(&f->text);
	buf_fini(&f->last);
	free(f->name);
	free(f);
}
