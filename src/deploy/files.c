/*
 * files.c - generated files go out all or none, and files come in whole.
 */
#include "config.h"

#include "deploy/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "spool/spool.h"

/* 1: the same is there already; 0: nothing is; -EEXIST: something else. */
static int
compare(int dir, const struct deploy_file *f)
{
	struct buf old = BUF_INIT;
	int rc = spool_slurp(dir, f->name, f->text.len, &old);

	if (rc == -ENOENT)
		rc = 0;
	else if (rc == 0)
		rc = old.len == f->text.len &&
		    memcmp(old.p, f->text.p, old.len) == 0 ? 1 : -EEXIST;
	else if (rc != -ENOMEM)
		rc = -EEXIST;
	buf_fini(&old);
	return rc;
}

static int
check(int dir, const struct deploy_file *f, size_t n, bool force,
    char why[DEPLOY_WHY_MAX])
{
	struct buf taken = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = buf_err(&f[i].text);
		if (rc == 0 && !force && compare(dir, &f[i]) == -EEXIST)
			buf_addf(&taken, "%s%s", taken.len > 0 ? ", " : "",
			    f[i].name);
	}
	if (rc == 0)
		rc = buf_err(&taken);
	if (rc < 0)
		why_say(why, rc, "out of memory");
	else if (taken.len > 0)
		rc = why_say(why, -EEXIST, "%s: there already, with another "
		    "content; --force replaces", taken.p);
	buf_fini(&taken);
	return rc;
}

int
deploy_write(const char *dir, const struct deploy_file *f, size_t n,
    bool force, char why[DEPLOY_WHY_MAX])
{
	int fd, rc;

	if (mkdir(dir, 0777) == -1 && errno != EEXIST)
		return why_say(why, -errno, "%.300s: %s", dir,
		    strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return why_say(why, -errno, "%.300s: %s", dir,
		    strerror(errno));
	rc = check(fd, f, n, force, why);
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (!force && compare(fd, &f[i]) == 1)
			continue;
		rc = spool_replace(fd, f[i].name, f[i].text.p, f[i].text.len,
		    false);
		/* Nothing secret: whoever builds the image may read it. */
		if (rc == 0 && fchmodat(fd, f[i].name, 0644, 0) == -1)
			rc = -errno;
		if (rc < 0)
			why_say(why, rc, "%.300s/%s: %s", dir, f[i].name,
			    ac_strerror(rc));
	}
	close(fd);
	return rc;
}

/* What is open, to its end. */
static int
read_all(int fd, struct buf *out)
{
	size_t len = 0;

	for (;;) {
		char *to = buf_reserve(out, 4096);
		ssize_t n;

		if (to == NULL)
			return -ENOMEM;
		n = read(fd, to, 4096);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0)
			return 0;
		len += (size_t)n;
		if (len > DEPLOY_FILE_MAX)
			return -EFBIG;
		out->len += (size_t)n;
		out->p[out->len] = '\0';
	}
}

int
deploy_read(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd == -1)
		return -errno;
	if (fstat(fd, &st) == -1)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	else
		rc = read_all(fd, out);
	close(fd);
	return rc;
}
