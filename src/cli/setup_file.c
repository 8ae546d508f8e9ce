/*
 * setup_file.c - the files of a project that setup changes.
 *
 * Links are not followed: what they lead to may belong to other projects too.
 */
#include "config.h"

#include "cli/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "spool/spool.h"

#define FILE_LIMIT (1 << 20)

int
setup_fail_file(const struct setup *s, const char *path, int rc)
{
	if (rc == -ELOOP || rc == -EINVAL || rc == -ENOTDIR)
		return cmd_fail(s->cmd, EXIT_FAILED, "%s is a link, or nothing "
		    "of yours: setup leaves it alone, and so everything else",
		    path);
	if (rc == -EFBIG)
		return cmd_fail(s->cmd, EXIT_FAILED, "%s is too large", path);
	return cmd_fail(s->cmd, cmd_code(rc), "%s: %s", path,
	    ac_strerror(rc));
}

/* The directory of that depth; 0 is the project's own. *fd is the caller's. */
static int
open_depth(const struct setup *s, int depth, bool create, int *fd)
{
	int rc = 0, dir = fcntl(s->project, F_DUPFD_CLOEXEC, 0), sub;

	if (dir == -1)
		return -errno;
	for (int i = 0; rc == 0 && i < depth; i++) {
		const char *name = s->t->dirs[i];

		/* As any directory of a project, not as those of a spool. */
		if (create && mkdirat(dir, name, 0777) == -1 &&
		    errno != EEXIST)
			rc = -errno;
		if (rc == 0)
			rc = spool_subdir(dir, name, false, &sub);
		if (rc < 0)
			break;
		close(dir);
		dir = sub;
	}
	if (rc < 0) {
		close(dir);
		return rc;
	}
	*fd = dir;
	return 0;
}

int
setup_missing(const struct setup *s)
{
	int depth = 0, fd, rc = 0;

	while (s->t->dirs[depth] != NULL)
		depth++;
	for (int n = 0; n <= depth; n++) {
		rc = open_depth(s, depth - n, false, &fd);
		if (rc == 0) {
			close(fd);
			return n;
		}
		if (rc != -ENOENT)
			break;
	}
	return rc;
}

/* Append what is in the file now. -ENOENT: there is none. */
static int
slurp(const struct setup *s, const struct setup_file *f, struct buf *out,
    mode_t *mode)
{
	struct stat st;
	int fd, rc = open_depth(s, f->depth, false, &fd);

	if (rc < 0)
		return rc;
	rc = spool_slurp(fd, f->name, FILE_LIMIT, out);
	if (rc == 0 && fstatat(fd, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*mode = st.st_mode & 07777;
	close(fd);
	return rc;
}

int
setup_load(struct setup *s, struct setup_file *f, const char *name, int depth)
{
	mode_t mask = umask(0);
	int rc;

	umask(mask);
	*f = (struct setup_file){ .name = name,
	    .depth = depth, .mode = 0666 & ~mask };
	for (int i = 0; i < depth; i++)
		snprintf(f->path + strlen(f->path), sizeof(f->path) -
		    strlen(f->path), "%s/", s->t->dirs[i]);
	snprintf(f->path + strlen(f->path), sizeof(f->path) - strlen(f->path),
	    "%s", name);
	rc = slurp(s, f, &f->was, &f->mode);
	f->had = f->has = rc == 0;
	/* Never NULL: an empty file is a text too. */
	buf_adds(&f->was, "");
	if (buf_err(&f->was) < 0)
		rc = -ENOMEM;
	if (rc == 0 && memchr(f->was.p, '\0', f->was.len) != NULL)
		return cmd_fail(s->cmd, EXIT_FAILED, "%s is no text", f->path);
	return rc == 0 || rc == -ENOENT ? EXIT_OK : setup_fail_file(s, f->path, rc);
}

bool
setup_changes(const struct setup_file *f)
{
	if (f->name == NULL || (!f->had && !f->has))
		return false;
	return f->had != f->has || f->was.len != f->is.len ||
	    memcmp(f->was.p, f->is.p, f->is.len) != 0;
}

/* Write it, if it still is what it was when it was shown. */
int
setup_store(const struct setup *s, const struct setup_file *f)
{
	struct buf now = BUF_INIT;
	mode_t mode = f->mode;
	int fd, rc;

	if (!setup_changes(f))
		return EXIT_OK;
	rc = slurp(s, f, &now, &mode);
	if (rc == -ENOENT ? f->had : rc == 0 && (!f->had ||
	    now.len != f->was.len || memcmp(now.p, f->was.p, now.len) != 0)) {
		buf_fini(&now);
		return cmd_fail(s->cmd, EXIT_TRY_AGAIN, "%s has changed "
		    "meanwhile: look at it, and try again", f->path);
	}
	buf_fini(&now);
	if (rc == 0 || rc == -ENOENT)
		rc = open_depth(s, f->depth, f->has, &fd);
	if (rc < 0)
		return setup_fail_file(s, f->path, rc);
	if (f->has) {
		rc = spool_replace(fd, f->name, f->is.p, f->is.len, true);
		if (rc == 0 && fchmodat(fd, f->name, f->mode, 0) == -1)
			rc = -errno;
	} else if (unlinkat(fd, f->name, 0) == -1) {
		rc = -errno;
	}
	close(fd);
	return rc == 0 ? EXIT_OK : setup_fail_file(s, f->path, rc);
}

void
setup_drop_dirs(const struct setup *s)
{
	int depth = 0, fd;

	while (s->t->dirs[depth] != NULL)
		depth++;
	for (int n = 0; n < s->mark.dirs && n < depth; n++) {
		if (open_depth(s, depth - n - 1, false, &fd) < 0)
			continue;
		(void)unlinkat(fd, s->t->dirs[depth - n - 1], AT_REMOVEDIR);
		close(fd);
	}
}
