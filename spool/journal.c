/*
 * journal.c - append, commit, sync, read, rotate, retire.
 *
 * What a crash can leave, and why it does no harm
 *
 *	commit		kill -9: a prefix of the batch; power cut: any mix of
 *			its pages, with zeros for the others. Nobody was told
 *			that it is synced; replay.c cuts at the first bad
 *			record. What was made ready for more is zeros as well.
 *	failed commit	cut back at once, and synced: else bytes of it could
 *			come back behind the record that takes its place, and
 *			with the right position they would be believed.
 *	rotate		the old segment is synced before the next one exists,
 *			so every segment but the last is whole, and the next
 *			one's existence vouches for it as a mark does. A kill
 *			in between leaves an empty last segment: a good one.
 *	retire		oldest first, the directory synced after each: what is
 *			left is always without holes.
 *
 * The descriptor that the worker syncs stays open until journal_sync_end(),
 * also when its segment is rotated away meanwhile. The kernel tells a
 * writeback error to one caller of fdatasync only: either to the worker, or
 * to us in rotate. So while a sync is under way nothing counts as synced
 * before it has ended well, whatever our own call said.
 */
#include "config.h"

#include "spool/journal.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/internal.h"
#include "spool/journal_int.h"

#define READ_FDS	8		/* old segments kept open for reading */
#define BATCH_KEPT	(1u << 20)	/* memory kept from batch to batch */
#define ROOM_LEN	(64u << 10)	/* bytes made ready at a time, */
#define ROOM_BATCH	1024		/* for batches of up to so many */

void
journal_seg_name(char out[JOURNAL_NAME], uint64_t start)
{
	snprintf(out, JOURNAL_NAME, "%016" PRIx64, start);
}

int
journal_flush(int fd, bool all)
{
	while ((all ? fsync(fd) : fdatasync(fd)) == -1) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int
journal_cut(int fd, uint64_t len)
{
	while (ftruncate(fd, (off_t)len) == -1) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static struct journal_seg *
current(const struct journal *j)
{
	return &j->segs[j->nsegs - 1];
}

static int
add_seg(struct journal *j, uint64_t start, int fd)
{
	struct journal_seg *segs;

	segs = realloc(j->segs, (j->nsegs + 1) * sizeof(*segs));
	if (segs == NULL)
		return -ENOMEM;
	segs[j->nsegs++] = (struct journal_seg){ .start = start, .fd = fd };
	j->segs = segs;
	return 0;
}

/* Let the last segment's file end with its last record. */
static int
drop_room(struct journal *j)
{
	uint64_t len = j->end - current(j)->start;
	int rc = 0;

	if (j->room > len)
		rc = journal_cut(current(j)->fd, len);
	if (rc == 0)
		j->room = len;
	return rc;
}

/* ------------------------------------------------------------------ open */

static bool
parse_name(const char *name, uint64_t *start)
{
	if (strlen(name) != JOURNAL_NAME - 1 ||
	    strspn(name, "0123456789abcdef") != JOURNAL_NAME - 1)
		return false;
	*start = strtoull(name, NULL, 16);
	return true;
}

static int
by_start(const void *a, const void *b)
{
	const struct journal_seg *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static int
list_segs(struct journal *j)
{
	struct dirent *de;
	uint64_t start;
	DIR *d;
	int rc = spool_opendir(j->dir, &d);

	if (rc < 0)
		return rc;
	while (rc == 0 && (errno = 0, de = readdir(d)) != NULL) {
		if (parse_name(de->d_name, &start))
			rc = add_seg(j, start, -1);
	}
	if (rc == 0)
		rc = -errno;
	closedir(d);
	if (rc == 0 && j->nsegs > 1)
		qsort(j->segs, j->nsegs, sizeof(*j->segs), by_start);
	return rc;
}

/* Make the segment that begins at the journal's end, durably. */
static int
begin_seg(struct journal *j)
{
	char name[JOURNAL_NAME];
	struct stat st;
	int fd, rc;

	journal_seg_name(name, j->end);
	fd = fs_open_file(j->dir, name, O_RDWR | O_CREAT | O_EXCL, &st);
	if (fd < 0)
		return fd;
	rc = add_seg(j, j->end, fd);
	if (rc < 0) {
		unlinkat(j->dir, name, 0);
		close(fd);
		return rc;
	}
	j->room = 0;
	rc = journal_flush(j->dir, true);
	if (rc < 0)
		j->dead = rc;
	return rc;
}

int
journal_open(struct journal **out, int dir, uint64_t seg_len, bool repair,
    journal_fn *fn, void *arg, struct journal_report *report)
{
	struct journal_report unused;
	struct journal *j;
	int rc;

	if (report == NULL)
		report = &unused;
	*report = (struct journal_report){ 0 };
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return -ENOMEM;
	buf_init(&j->batch);
	j->sync_fd = -1;
	j->seg_len = seg_len;
	j->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	rc = j->dir == -1 ? -errno : list_segs(j);
	if (rc == 0 && j->nsegs == 0)
		rc = begin_seg(j);
	else if (rc == 0)
		rc = journal_replay(j, repair ? JOURNAL_REPAIR : JOURNAL_OPEN,
		    fn, arg, report);
	if (rc < 0) {
		journal_close(j);
		return rc;
	}
	j->batch_marked = j->marked;
	*out = j;
	return 0;
}

int
journal_look(int dir, journal_fn *fn, void *arg, struct journal_report *report)
{
	struct journal j = { .dir = dir, .sync_fd = -1 };
	int rc = list_segs(&j);

	*report = (struct journal_report){ 0 };
	if (rc == 0 && j.nsegs == 0)
		rc = -ENOENT;
	if (rc == 0)
		rc = journal_replay(&j, JOURNAL_LOOK, fn, arg, report);
	free(j.segs);
	return rc;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	/* If that fails, the next to open it does it. */
	if (j->dead == 0 && j->room > 0)
		(void)drop_room(j);
	for (size_t i = 0; i < j->nsegs; i++) {
		if (j->segs[i].fd != -1 && j->segs[i].fd != j->sync_fd)
			close(j->segs[i].fd);
	}
	if (j->sync_fd != -1)
		close(j->sync_fd);
	if (j->dir != -1)
		close(j->dir);
	buf_fini(&j->batch);
	free(j->segs);
	free(j);
}

/* ---------------------------------------------------------------- append */

/* Add a record to the batch. Its position, or 0 (a real one never is). */
static uint64_t
put_record(struct journal *j, uint8_t type, const struct iovec *iov,
    int iovcnt, size_t len)
{
	uint64_t pos = j->end + j->batch.len;
	size_t size = journal_size(len);
	uint8_t *head, *p;

	head = (uint8_t *)buf_reserve(&j->batch, size);
	if (head == NULL)
		return 0;
	memset(head, 0, JOURNAL_HEAD);
	head[8] = type;
	p = head + JOURNAL_HEAD;
	for (int i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len == 0)
			continue;
		memcpy(p, iov[i].iov_base, iov[i].iov_len);
		p += iov[i].iov_len;
	}
	put_le32(head, (uint32_t)len);
	put_le32(head + 4, crc32c(journal_crc(pos, head), head + JOURNAL_HEAD,
	    len));
	memset(p, 0, (size_t)(head + size - p));
	j->batch.len += size;
	return pos;
}

uint64_t
journal_append(struct journal *j, uint8_t type, const struct iovec *iov,
    int iovcnt)
{
	uint8_t le[8];
	size_t len = 0;

	if (j->batch_rc < 0)
		return 0;
	for (int i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > JOURNAL_BODY_MAX - len)
			j->batch_rc = -EMSGSIZE;
		else
			len += iov[i].iov_len;
	}
	if (type == JOURNAL_MARK)
		j->batch_rc = -EINVAL;
	if (j->batch_rc < 0)
		return 0;
	/* Position 0 always is a mark's: 0 means failure to our caller. */
	if (j->synced > j->batch_marked || j->end + j->batch.len == 0) {
		put_le64(le, j->synced);
		put_record(j, JOURNAL_MARK,
		    &(struct iovec){ le, sizeof(le) }, 1, sizeof(le));
		j->batch_marked = j->synced;
	}
	return put_record(j, type, iov, iovcnt, len);
}

/* ---------------------------------------------------------------- commit */

/*
 * Before a small batch that ends len bytes into the last segment: make zeros
 * ready for it to overwrite, and for others to come. A large one is cheaper
 * to append; and if there can be no zeros, so are all.
 */
static void
make_room(struct journal *j, uint64_t len)
{
#ifdef HAVE_FALLOCATE
	if (len <= j->room || j->batch.len > ROOM_BATCH || j->no_room)
		return;
	len += ROOM_LEN;
	if (fallocate(current(j)->fd, 0, (off_t)j->room,
	    (off_t)(len - j->room)) == -1)
		j->no_room = errno == EOPNOTSUPP || errno == ENOSYS;
	/* Or else the file may have got some: it is asked once, and cut. */
	if (!j->no_room)
		j->room = len;
#else
	(void)j;
	(void)len;
#endif
}

static int
write_batch(struct journal *j)
{
	int fd = current(j)->fd, rc = 0;
	off_t at = (off_t)(j->end - current(j)->start);
	size_t done = 0;
	ssize_t n;

	make_room(j, (uint64_t)at + j->batch.len);
	while (done < j->batch.len) {
		n = pwrite(fd, j->batch.p + done, j->batch.len - done,
		    at + (off_t)done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n == 0 ? -EIO : -errno;
			break;
		}
		done += (size_t)n;
	}
	if ((uint64_t)at + done > j->room)
		j->room = (uint64_t)at + done;
	if (rc == 0)
		return 0;
	j->dead = journal_cut(fd, (uint64_t)at);
	j->room = (uint64_t)at;
	if (j->dead == 0 && done > 0)
		j->dead = journal_flush(fd, false);
	return rc;
}

static int
rotate(struct journal *j)
{
	struct journal_seg *old = current(j);
	int fd = old->fd, rc;

	if (j->end == old->start)
		return 0;
	rc = drop_room(j);
	if (rc < 0)
		return rc;
	rc = journal_flush(fd, false);
	if (rc < 0) {
		j->dead = rc;
		return rc;
	}
	if (j->sync_fd == -1)
		j->synced = j->end;
	else
		j->sync_to = j->end;
	rc = begin_seg(j);
	if (rc < 0)
		return rc;
	j->segs[j->nsegs - 2].fd = -1;
	if (fd != j->sync_fd)
		close(fd);
	return 0;
}

int
journal_commit(struct journal *j)
{
	int rc = j->dead;

	if (rc == 0)
		rc = j->batch_rc;
	if (rc == 0)
		rc = buf_err(&j->batch);
	if (rc == 0 && j->batch.len == 0)
		return 0;
	if (rc == 0 && j->end - current(j)->start > j->seg_len)
		rc = rotate(j);
	if (rc == 0)
		rc = write_batch(j);
	if (rc == 0) {
		j->end += j->batch.len;
		j->marked = j->batch_marked;
	}
	journal_abandon(j);
	return rc;
}

void
journal_abandon(struct journal *j)
{
	j->batch_marked = j->marked;
	j->batch_rc = 0;
	if (j->batch.cap > BATCH_KEPT)
		buf_fini(&j->batch);
	buf_clear(&j->batch);
}

uint64_t
journal_start(const struct journal *j)
{
	return j->segs[0].start;
}

uint64_t
journal_end(const struct journal *j)
{
	return j->end;
}

uint64_t
journal_synced(const struct journal *j)
{
	return j->synced;
}

/* ------------------------------------------------------------------ sync */

int
journal_sync_begin(struct journal *j, int *fd)
{
	if (j->dead < 0)
		return j->dead;
	if (j->sync_fd != -1 || j->synced == j->end)
		return 0;
	*fd = j->sync_fd = current(j)->fd;
	j->sync_to = j->end;
	return 1;
}

int
journal_sync_end(struct journal *j, int result)
{
	int fd = j->sync_fd;

	if (fd == -1)
		return -EINVAL;
	j->sync_fd = -1;
	if (fd != current(j)->fd)
		close(fd);
	if (j->dead == 0 && result < 0)
		j->dead = result;
	if (j->dead < 0)
		return j->dead;
	j->synced = j->sync_to;
	return 0;
}

int
journal_sync(struct journal *j)
{
	int fd, rc;

	if (j->sync_fd != -1)
		return -EBUSY;
	rc = journal_sync_begin(j, &fd);
	return rc <= 0 ? rc : journal_sync_end(j, journal_flush(fd, false));
}

/* ------------------------------------------------------------------ read */

/* The segment that holds pos, which is start or above. */
static struct journal_seg *
find_seg(const struct journal *j, uint64_t pos)
{
	size_t lo = 0, hi = j->nsegs;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (j->segs[mid].start <= pos)
			lo = mid;
		else
			hi = mid;
	}
	return &j->segs[lo];
}

/* The segment's descriptor; another one is closed if too many are open. */
static int
seg_fd(struct journal *j, struct journal_seg *seg)
{
	struct journal_seg *oldest = NULL;
	char name[JOURNAL_NAME];
	size_t open = 0;
	struct stat st;
	int fd;

	seg->used = ++j->tick;
	if (seg->fd != -1)
		return seg->fd;
	for (struct journal_seg *s = j->segs; s < current(j); s++) {
		if (s->fd == -1)
			continue;
		open++;
		if (oldest == NULL || s->used < oldest->used)
			oldest = s;
	}
	if (open >= READ_FDS) {
		close(oldest->fd);
		oldest->fd = -1;
	}
	journal_seg_name(name, seg->start);
	fd = fs_open_file(j->dir, name, O_RDONLY, &st);
	if (fd >= 0)
		seg->fd = fd;
	return fd;
}

/* pread as much as there is, up to len. */
static ssize_t
read_at(int fd, void *p, size_t len, uint64_t off)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, (char *)p + done, len - done,
		    (off_t)(off + done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/*
 * What is at pos and behind it; *n bytes, more than a record's head or
 * -EUCLEAN. Who reads record by record has most from the block read before:
 * what is committed doesn't change.
 */
static int
look_at(struct journal *j, int fd, uint64_t start, uint64_t pos,
    const uint8_t **p, size_t *n)
{
	uint64_t at = pos - j->ahead_pos;
	size_t most = sizeof(j->ahead);
	ssize_t got;

	*p = j->ahead + at;
	if (pos >= j->ahead_pos && at + JOURNAL_HEAD <= j->ahead_len &&
	    journal_size(get_le32(*p)) <= j->ahead_len - at) {
		*n = j->ahead_len - at;
		return 0;
	}
	j->ahead_len = 0;
	/* Behind the end may be what a commit cut back. */
	if (most > j->end - pos)
		most = (size_t)(j->end - pos);
	got = read_at(fd, j->ahead, most, pos - start);
	if (got < 0)
		return (int)got;
	j->ahead_pos = pos;
	j->ahead_len = (size_t)got;
	*p = j->ahead;
	*n = (size_t)got;
	return got < JOURNAL_HEAD ? -EUCLEAN : 0;
}

int
journal_read(struct journal *j, uint64_t pos, uint8_t *type, struct buf *out)
{
	const uint8_t *first;
	struct journal_seg *seg;
	size_t len, got, there = 0;
	uint64_t off;
	ssize_t n;
	char *body;
	int fd, rc;

	if (pos < journal_start(j))
		return -ENOENT;
	if (pos >= j->end || pos % 8 != 0)
		return -EUCLEAN;
	seg = find_seg(j, pos);
	off = pos - seg->start;
	fd = seg_fd(j, seg);
	if (fd < 0)
		return fd;
	rc = look_at(j, fd, seg->start, pos, &first, &there);
	if (rc < 0)
		return rc;
	len = get_le32(first);
	if (len > JOURNAL_BODY_MAX || first[8] == JOURNAL_MARK)
		return -EUCLEAN;
	body = buf_reserve(out, len);
	if (body == NULL)
		return -ENOMEM;
	got = there - JOURNAL_HEAD < len ? there - JOURNAL_HEAD : len;
	memcpy(body, first + JOURNAL_HEAD, got);
	n = read_at(fd, body + got, len - got, off + JOURNAL_HEAD + got);
	if (n < 0)
		return (int)n;
	if ((size_t)n != len - got ||
	    crc32c(journal_crc(pos, first), body, len) != get_le32(first + 4))
		return -EUCLEAN;
	body[len] = '\0';
	out->len += len;
	if (type != NULL)
		*type = first[8];
	return 0;
}

/* ------------------------------------------------------- rotate and retire */

uint64_t
journal_floor(const struct journal *j, uint64_t pos)
{
	return pos < journal_start(j) ? journal_start(j) :
	    find_seg(j, pos)->start;
}

uint64_t
journal_segment_end(const struct journal *j, uint64_t pos)
{
	for (size_t i = 1; i < j->nsegs; i++)
		if (j->segs[i].start > pos)
			return j->segs[i].start;
	return j->end;
}

int
journal_rotate(struct journal *j)
{
	if (j->dead < 0)
		return j->dead;
	return j->batch.len != 0 ? -EINVAL : rotate(j);
}

int
journal_retire(struct journal *j, uint64_t pos)
{
	char name[JOURNAL_NAME];
	int rc = j->dead;

	while (rc == 0 && j->nsegs > 1 && j->segs[1].start <= pos) {
		journal_seg_name(name, j->segs[0].start);
		if (unlinkat(j->dir, name, 0) == -1 && errno != ENOENT)
			return -errno;
		if (j->segs[0].fd != -1)
			close(j->segs[0].fd);
		memmove(j->segs, j->segs + 1, --j->nsegs * sizeof(*j->segs));
		rc = j->dead = journal_flush(j->dir, true);
	}
	return rc;
}
