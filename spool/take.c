/*
 * take.c - messages out of boxes: walk, count, mark read, keep bounded.
 */
#include "config.h"

#include "spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define ARCHIVE_BATCH (1 << 20)	/* bytes archived per sync */

/*
 * A file of new/ or cur/. 1: read; 0: not a message, or moved on meanwhile.
 * Two links are let pass: where renames are made of links, a message that is
 * just arriving has two.
 */
static int
read_message(int dir, const char *name, struct buf *b)
{
	struct stat st;
	int fd, rc;

	buf_clear(b);
	fd = fs_open_any(dir, name, O_RDONLY, &st);
	if (fd == -ENOENT || fd == -ELOOP || fd == -EINVAL || fd == -EACCES)
		return 0;
	if (fd < 0)
		return fd;
	rc = 0;
	if (st.st_nlink <= 2 && st.st_size <= SPOOL_MSG_MAX) {
		/* A message that is there doesn't grow any more. */
		rc = fs_read_from(fd, 0, (size_t)st.st_size, b);
		if (rc == 0)
			rc = 1;
	}
	close(fd);
	return rc;
}

int
spool_names(struct spool_box *box, enum spool_sub sub, struct spool_names *l)
{
	return fs_list(box->sub[sub], FS_FILES, l);
}

int
spool_read(struct spool_box *box, enum spool_sub sub, const char *name,
    struct buf *out)
{
	return read_message(box->sub[sub], name, out);
}

int
spool_walk(struct spool_box *box, enum spool_sub sub, bool reverse, size_t max,
    spool_walk_fn *fn, void *arg)
{
	struct buf b = BUF_INIT;
	struct spool_names l;
	size_t seen = 0;
	int rc;

	rc = fs_list(box->sub[sub], FS_FILES, &l);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l.n && (max == 0 || seen < max); i++) {
		const char *name = l.name[reverse ? l.n - 1 - i : i];

		rc = read_message(box->sub[sub], name, &b);
		if (rc < 0)
			break;
		if (rc == 0)
			continue;
		seen++;
		rc = fn(arg, name, b.p != NULL ? b.p : "", b.len);
		if (rc != 0)
			break;
	}
	spool_names_fini(&l);
	buf_fini(&b);
	return rc;
}

int
spool_count(struct spool_box *box, enum spool_sub sub, size_t *n)
{
	struct spool_names l;
	int rc = fs_list(box->sub[sub], FS_FILES, &l);

	if (rc < 0)
		return rc;
	*n = l.n;
	spool_names_fini(&l);
	return 0;
}

int
spool_mark_read(struct spool_box *box, const char *name)
{
	int rc = fs_rename_noreplace(box->sub[SPOOL_NEW], name,
	    box->sub[SPOOL_CUR], name);

	if (rc == -EEXIST)
		return fs_remove(box->sub[SPOOL_NEW], name);
	return rc == -ENOENT ? 0 : rc;
}

/* ------------------------------------------------------------- archive */

/*
 * archive/DAY.jsonl, open for appending; *end is where, after whatever a
 * crash left: an unfinished line is finished with a newline.
 */
static int
open_archive(struct spool *sp, int *dir, off_t *end)
{
	char name[CLOCK_ISO_MAX + 6], last;
	struct stat st;
	int fd, rc;

	rc = spool_subdir(sp->dir, "archive", true, dir);
	if (rc < 0)
		return rc;
	clock_iso(clock_wall_ms(), name);
	memcpy(name + strlen("2026-01-31"), ".jsonl", sizeof(".jsonl"));
	fd = fs_open_file(*dir, name, O_RDWR | O_CREAT, &st);
	if (fd < 0) {
		close(*dir);
		return fd;
	}
	*end = st.st_size;
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 &&
	    last != '\n') {
		rc = fs_pwrite_all(fd, "\n", 1, st.st_size);
		*end += 1;
	}
	if (rc == 0)
		return fd;
	close(fd);
	close(*dir);
	return rc;
}

/* One file's content as one line: what an agent made may have more. */
static void
add_line(struct buf *out, const struct buf *msg)
{
	size_t at = out->len, len = msg->len;

	while (len > 0 && msg->p[len - 1] == '\n')
		len--;
	if (len == 0)
		return;
	buf_add(out, msg->p, len);
	buf_addc(out, '\n');
	if (buf_err(out) < 0)
		return;
	for (size_t i = at; i + 1 < out->len; i++)
		if (out->p[i] == '\n' || out->p[i] == '\r')
			out->p[i] = ' ';
}

/* Append durably; all of it or nothing. */
static int
append_archive(struct spool *sp, const struct buf *lines)
{
	int dir, fd, rc;
	off_t end;

	if (lines->len == 0)
		return 0;
	fd = open_archive(sp, &dir, &end);
	if (fd < 0)
		return fd;
	rc = fs_pwrite_all(fd, lines->p, lines->len, end);
	if (rc == 0)
		rc = fs_sync(fd);
	/* If even that fails, whoever comes next finishes the line. */
	if (rc < 0)
		(void)!ftruncate(fd, end);
	if (rc == 0)
		rc = fs_sync(dir);
	/* archive/ itself may be new. */
	if (rc == 0)
		rc = fs_sync(sp->dir);
	close(fd);
	close(dir);
	return rc;
}

/*
 * Gather a batch of lines from the files of the list, from the first on, and
 * forget the names of those that can't be: they stay where they are. Returns
 * how far it came.
 */
static int
gather(struct spool_box *box, struct spool_names *l, size_t from, size_t n,
    struct buf *lines, size_t *to)
{
	struct buf msg = BUF_INIT;
	size_t i;
	int rc = 0;

	buf_clear(lines);
	for (i = from; i < n && lines->len < ARCHIVE_BATCH && rc >= 0; i++) {
		rc = read_message(box->sub[SPOOL_NEW], l->name[i], &msg);
		if (rc == 1)
			add_line(lines, &msg);
		else
			l->name[i] = NULL;
	}
	buf_fini(&msg);
	*to = i;
	return rc < 0 ? rc : buf_err(lines);
}

/*
 * The oldest n of the list go: first into the archive, then from new/. A
 * crash in between archives a batch twice, rather than never.
 */
static int
archive(struct spool *sp, struct spool_box *box, struct spool_names *l, size_t n,
    uint64_t *archived)
{
	struct buf lines = BUF_INIT;
	size_t at = 0, to = 0;
	int rc = 0;

	while (at < n && rc == 0) {
		rc = gather(box, l, at, n, &lines, &to);
		if (rc == 0)
			rc = append_archive(sp, &lines);
		for (; rc == 0 && at < to; at++) {
			if (l->name[at] == NULL)
				continue;
			rc = fs_remove(box->sub[SPOOL_NEW], l->name[at]);
			if (rc == 0)
				++*archived;
		}
	}
	buf_fini(&lines);
	return rc;
}

int
spool_trim(struct spool *sp, struct spool_box *box, size_t keep_cur,
    size_t keep_new, uint64_t *archived)
{
	struct spool_names l;
	int rc;

	rc = fs_list(box->sub[SPOOL_CUR], FS_FILES, &l);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i + keep_cur < l.n && rc == 0; i++)
		rc = fs_remove(box->sub[SPOOL_CUR], l.name[i]);
	spool_names_fini(&l);
	if (rc < 0)
		return rc;
	rc = fs_list(box->sub[SPOOL_NEW], FS_FILES, &l);
	if (rc < 0)
		return rc;
	if (l.n > keep_new)
		rc = archive(sp, box, &l, l.n - keep_new, archived);
	spool_names_fini(&l);
	return rc;
}

/* --------------------------------------------------- sent/ and failed/ */

struct aged {
	struct timespec	 at;
	const char	*name;
};

static int
by_age(const void *va, const void *vb)
{
	const struct aged *a = va, *b = vb;

	if (a->at.tv_sec != b->at.tv_sec)
		return a->at.tv_sec < b->at.tv_sec ? -1 : 1;
	if (a->at.tv_nsec != b->at.tv_nsec)
		return a->at.tv_nsec < b->at.tv_nsec ? -1 : 1;
	return strcmp(a->name, b->name);
}

int
spool_trim_dir(int dir, size_t n)
{
	struct aged *files;
	struct spool_names l;
	size_t have = 0;
	struct stat st;
	int rc;

	rc = fs_list(dir, FS_FILES, &l);
	if (rc < 0 || l.n <= n) {
		spool_names_fini(&l);
		return rc;
	}
	files = calloc(l.n, sizeof(*files));
	for (size_t i = 0; files != NULL && i < l.n; i++)
		if (fstatat(dir, l.name[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			files[have++] = (struct aged){ st.st_mtim, l.name[i] };
	if (files == NULL)
		rc = -ENOMEM;
	else
		qsort(files, have, sizeof(*files), by_age);
	for (size_t i = 0; i + n < have && rc == 0; i++)
		rc = fs_remove(dir, files[i].name);
	free(files);
	spool_names_fini(&l);
	return rc;
}
