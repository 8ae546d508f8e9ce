/*
 * check.c - modes, kinds of files, whole lines: what can be judged without
 * knowing what is in them. See check.h.
 */
#include "config.h"

#include "spool/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "spool/internal.h"

#define CLASHES	1000	/* names tried in quarantine/ */

void
check_tell(struct check *c, enum check_kind kind, const char *code,
    const char *path, const char *cure, const char *fmt, ...)
{
	char what[512];
	struct check_finding f = { kind, code, path, what, cure };
	va_list ap;

	if (kind == CHECK_WRONG)
		c->wrong++;
	else if (kind == CHECK_MENDED)
		c->mended++;
	if (c->code_last == NULL || strcmp(c->code_last, code) != 0)
		c->code_told = 0;
	c->code_last = code;
	if (++c->code_told > CHECK_TOLD)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	c->fn(c->arg, &f);
}

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* ------------------------------------------------------------ quarantine */

int
check_aside(struct check *c, int dir, const char *path)
{
	char flat[NAME_MAX - 8], name[NAME_MAX + 1];
	size_t len = strlen(path);
	int to, rc;

	if (!c->repair)
		return 0;
	/* Of a path that is too long, the end says the most. */
	snprintf(flat, sizeof(flat), "%s", len < sizeof(flat) ? path :
	    path + len - sizeof(flat) + 1);
	for (char *p = flat; *p != '\0'; p++)
		if (*p == '/')
			*p = '_';
	rc = spool_subdir(c->dir, CHECK_QUARANTINE, true, &to);
	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "%s", flat);
	for (int i = 1; i < CLASHES; i++) {
		rc = fs_rename_noreplace(dir, last_part(path), to, name);
		if (rc != -EEXIST)
			break;
		snprintf(name, sizeof(name), "%s.%d", flat, i);
	}
	close(to);
	return rc < 0 ? rc : 1;
}

void
check_away(struct check *c, int dir, const char *path, const char *code,
    const char *what)
{
	int rc = check_aside(c, dir, path);

	if (rc == 1)
		check_tell(c, CHECK_MENDED, code, path,
		    "It was moved to quarantine/.", "%s", what);
	else if (rc == 0)
		check_tell(c, CHECK_WRONG, code, path,
		    "--repair moves it to quarantine/.", "%s", what);
	else
		check_tell(c, CHECK_WRONG, code, path,
		    "Move it away by hand.",
		    "%s It can't be moved to quarantine/: %s.", what,
		    ac_strerror(rc));
}

/* ----------------------------------------------------------------- modes */

/* Bits that others must not have; 1: fine, or now it is. */
static int
check_mode(struct check *c, int fd, const struct stat *st, mode_t never,
    const char *path, const char *what, const char *cure)
{
	if ((st->st_mode & never) == 0)
		return 1;
	if (c->repair && fchmod(fd, st->st_mode & 07777 & ~never) == 0) {
		check_tell(c, CHECK_MENDED, "mode", path,
		    "Now they may not.", "%s", what);
		return 1;
	}
	check_tell(c, CHECK_WRONG, "mode", path, cure, "%s", what);
	return 0;
}

int
check_dir(struct check *c, int dir, const char *path, int *out)
{
	const char *name = last_part(path);
	struct stat st;
	int fd, rc;

	fd = strcmp(name, ".") == 0 ? fcntl(dir, F_DUPFD_CLOEXEC, 0) :
	    fs_open_dir(dir, name);
	if (fd == -1)
		fd = -errno;
	if (fd == -ENOENT)
		return fd;
	if (fd == -ELOOP || fd == -ENOTDIR) {
		check_away(c, dir, path, "kind",
		    "It should be a directory, and is none.");
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) == -1) {
		check_tell(c, CHECK_WRONG, "read", path,
		    "Mend that, then look again.", "It can't be read: %s.",
		    ac_strerror(fd < 0 ? fd : -errno));
		if (fd >= 0)
			close(fd);
		return 0;
	}
	if (st.st_uid != geteuid()) {
		check_tell(c, CHECK_WRONG, "owner", path,
		    "chown it to who runs agentchat here, or run doctor as "
		    "its owner.", "It belongs to another user.");
		rc = 0;
	} else {
		rc = check_mode(c, fd, &st, S_IWGRP | S_IWOTH, path,
		    "Others may write to this directory.", "chmod go-w it.");
	}
	if (rc == 1)
		*out = fd;
	else
		close(fd);
	return rc;
}

/* A file with a second name: what is here becomes a file of its own. */
static int
part_names(struct check *c, int dir, const char *path, int fd)
{
	static const char what[] = "The file has another name elsewhere "
	    "(a hard link): agentchat doesn't read it.";
	struct buf b = BUF_INIT;
	int rc = 0;

	if (c->repair) {
		rc = fs_read_from(fd, 0, CHECK_LINES_MAX, &b);
		if (rc == 0 && b.len == CHECK_LINES_MAX)
			rc = -EFBIG;
		if (rc == 0)
			rc = spool_replace(dir, last_part(path),
			    b.p != NULL ? b.p : "", b.len, true);
		buf_fini(&b);
	}
	if (c->repair && rc == 0) {
		check_tell(c, CHECK_MENDED, "link", path,
		    "It is a copy of its own now.", "%s", what);
		return 1;
	}
	check_tell(c, CHECK_WRONG, "link", path,
	    "--repair makes a copy of it; or remove the other name.", "%s",
	    what);
	return 0;
}

int
check_file(struct check *c, int dir, const char *path, bool secret)
{
	const char *name = last_part(path);
	struct stat st;
	int fd = fs_open_any(dir, name, O_RDONLY, &st), rc;

	if (fd == -ENOENT)
		return fd;
	if (fd == -ELOOP || fd == -EINVAL) {
		check_away(c, dir, path, "kind", fd == -ELOOP ?
		    "It is a symbolic link: agentchat doesn't follow it." :
		    "It is no regular file of ours.");
		return 0;
	}
	if (fd < 0) {
		check_tell(c, CHECK_WRONG, "read", path,
		    "Mend that, then look again.", "It can't be read: %s.",
		    ac_strerror(fd));
		return 0;
	}
	rc = st.st_nlink > 1 ? part_names(c, dir, path, fd) : 1;
	if (rc == 1 && secret)
		rc = check_mode(c, fd, &st, S_IRWXG | S_IRWXO, path,
		    "Others may read a key.", "chmod go= it.");
	else if (rc == 1)
		rc = check_mode(c, fd, &st, S_IWGRP | S_IWOTH, path,
		    "Others may write to this file.", "chmod go-w it.");
	close(fd);
	return rc;
}

int
check_holder(struct check *c, struct spool *sp, const char *who,
    bool *running)
{
	int stale = fs_exists(spool_dir(sp), "daemon.pid"), rc;
	pid_t pid;

	rc = spool_holder(spool_dir(sp), &pid);
	*running = rc == -EAGAIN || pid != 0;
	if (c->repair) {
		rc = *running ? -EBUSY : spool_lock(sp);
		if (rc == 0 && stale == 1)
			check_tell(c, CHECK_MENDED, "pid", "daemon.pid",
			    "The file was removed.",
			    "A %s has ended without goodbye.", who);
		return rc;
	}
	if (*running)
		check_tell(c, CHECK_NOTE, "running", ".", "", "The %s is "
		    "running: what it is doing just now may look wrong.", who);
	else if (stale == 1)
		check_tell(c, CHECK_WRONG, "pid", "daemon.pid", "Start it "
		    "again: it goes on where it was.",
		    "A %s has ended without goodbye.", who);
	return 0;
}

/* --------------------------------------------------------------- content */

static int
check_content(struct check *c, int dir, const char *path, size_t max,
    check_content_fn *fn, void *arg, size_t *good)
{
	const char *name = last_part(path), *what;
	struct buf b = BUF_INIT;
	int rc = spool_slurp(dir, name, max, &b);

	if (rc == 0) {
		what = fn(arg, name, b.p != NULL ? b.p : "", b.len);
		if (what == NULL)
			++*good;
		else
			check_away(c, dir, path, "content", what);
	} else if (rc == -EFBIG) {
		check_away(c, dir, path, "content", "It is too long.");
	} else if (rc != -ENOENT && rc != -ENOMEM) {
		check_tell(c, CHECK_WRONG, "read", path,
		    "Look at the disk.", "It can't be read: %s.",
		    ac_strerror(rc));
	}
	buf_fini(&b);
	return rc == -ENOMEM ? rc : 0;
}

int
check_each(struct check *c, int dir, const char *path, size_t max,
    check_content_fn *fn, void *arg, size_t *good)
{
	struct buf full = BUF_INIT;
	struct spool_names l;
	int rc = fs_list(dir, FS_ALL, &l);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc >= 0 && i < l.n; i++) {
		if (l.name[i][0] == '.')
			continue;
		buf_clear(&full);
		buf_addf(&full, "%s/%s", path, l.name[i]);
		rc = buf_err(&full);
		if (rc == 0)
			rc = check_file(c, dir, full.p, false);
		if (rc == 1)
			rc = check_content(c, dir, full.p, max, fn, arg, good);
		else if (rc == -ENOENT)
			rc = 0;		/* gone meanwhile */
	}
	spool_names_fini(&l);
	buf_fini(&full);
	return rc < 0 ? rc : 0;
}

int
check_count(int dir, size_t *n)
{
	struct spool_names l;
	int rc = fs_list(dir, FS_ALL, &l);

	if (rc == 0)
		*n = l.n;
	spool_names_fini(&l);
	return rc;
}

int
check_links(struct check *c, int dir, const char *first)
{
	struct spool_names l;
	struct stat st;
	int rc = fs_list(dir, FS_ALL, &l);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l.n; i++)
		if (strchr(first, l.name[i][0]) != NULL &&
		    fstatat(dir, l.name[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !S_ISDIR(st.st_mode))
			check_away(c, dir, l.name[i], "kind", S_ISLNK(
			    st.st_mode) ? "It is a symbolic link, where a "
			    "directory belongs: agentchat doesn't follow it." :
			    "It is a file where a directory belongs.");
	spool_names_fini(&l);
	return 0;
}

int
check_lines(int dir, const char *name, check_line_fn *fn, void *arg,
    struct check_lines *n)
{
	struct buf b = BUF_INIT;
	size_t at = 0;
	int rc = spool_slurp(dir, name, CHECK_LINES_MAX, &b);

	*n = (struct check_lines){ 0 };
	while (rc == 0 && at < b.len) {
		const char *line = b.p + at;
		const char *nl = memchr(line, '\n', b.len - at);
		size_t len;

		if (nl == NULL)
			break;
		len = (size_t)(nl - line);
		at += len + 1;
		while (len > 0 && line[len - 1] == ' ')
			len--;
		if (len == 0 || len >= SPOOL_MSG_MAX ||
		    memchr(line, '\0', len) != NULL || !fn(arg, line, len))
			n->bad++;
		else
			n->good++;
	}
	n->torn = b.len - at;
	buf_fini(&b);
	return rc;
}
