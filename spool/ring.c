/*
 * ring.c - inbox.jsonl: the newest lines of a stream, in a plain file that
 * anybody may read at any moment.
 *
 * The promise is that a reader sees whole lines only, at most
 * SPOOL_RING_LINES of them, at every instant. Readers are cat, tail, jq: they
 * know no lock. What we have to stand on is the kernel:
 *
 * - rename() puts a whole new file in the place of the old one at once.
 * - write() at the end of a file copies page by page, and a reader sees the
 *   file end where the last finished page ended (measured: at full speed a
 *   third of reads meet half an append that crosses a page; none meets half of
 *   one that doesn't). A page is at least 4 KiB.
 *
 * Hence rule one: no line that is appended crosses a 4 KiB boundary. Then every
 * boundary within a write is the end of a line, and one write may carry many.
 *
 * Keeping the rule takes looking ahead. Bytes that a reader may have seen can't
 * be changed, so the gap at the end of a page that the next line won't fit in
 * has to be filled by the line before, with spaces ahead of its newline, which
 * JSON doesn't mind. But the next line isn't known yet, unless it is in the
 * same batch. So we guess: as long as the longest of late (a maximum that
 * fades over some 64 lines). When what remains of the page after a line is
 * less than the guess, that line is padded to the end of the page.
 *
 * A guess may be too low, and a line may be longer than a page. Then the file
 * is written anew and renamed over, with the line in it: within a file that
 * appears at once lines may lie as they like. A low guess happens once, as it
 * raises the guess. Long lines happen as often as they are sent, and to copy a
 * megabyte for each would be dear. So what is kept when a file is written anew
 * has to be earned: BYTES_LEAST are free, and every line since the last time
 * earns BYTES_EARNED more. A long line now and then finds the whole ring paid
 * for; where all are long, the ring is shorter.
 *
 * Rule two: at SPOOL_RING_LINES the file is written anew with the newest
 * KEEP_LINES. By both rules a line costs O(1), averaged.
 *
 * The file is a view: it isn't synced, and what a power cut makes of it is
 * mended when it is opened. Agents shouldn't touch it, but own the directory:
 * before each write we look whether the name still leads to the file that we
 * hold, as long as we left it, with no other name. If not, what is there now
 * is taken over if it is a file of lines, and replaced if it isn't.
 */
#include "config.h"

#include "spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE		4096u
#define FADE		64u		/* lines over which the guess fades */
#define KEEP_LINES	500u		/* after a cut: a line is copied once */
#define BYTES_LEAST	(256u << 10)	/* of a file written anew */
#define BYTES_EARNED	(16u << 10)	/* more, for each line since */
#define BYTES_MOST	(4u << 20)
#define READ_MAX	(16u << 20)	/* of a file found; we make 8 MiB */
#define QUEUE_BYTES	(8u << 20)	/* kept while the disk is full */

struct spool_ring {
	int	 dir;			/* ours: a duplicate */
	char	*name;
	const struct spool_box *box;	/* its end is ours; or NULL */

	int	 fd;			/* -1: there is no file */
	struct stat st;			/* of fd; st_size is kept up to date */
	size_t	 lines;			/* in the file */
	size_t	 since;			/* lines since it was written anew */
	bool	 renew;			/* must be written anew */

	size_t	 guess;			/* bytes that the next line may have,
					   with its newline */
	struct buf queue;		/* lines with their newlines */
	size_t	 queued;		/* how many */
};

/* The length of the first line of n bytes, with its newline; 0: none whole. */
static size_t
line_len(const char *p, size_t n)
{
	const char *nl = n > 0 ? memchr(p, '\n', n) : NULL;

	return nl != NULL ? (size_t)(nl - p) + 1 : 0;
}

/* The same line without newline and padding. */
static size_t
bare_len(const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\n')
		len--;
	while (len > 0 && line[len - 1] == ' ')
		len--;
	return len;
}

/* ---------------------------------------------------------- what is there */

/* Append what the file holds now; nothing if there is none. */
static int
read_file(const struct spool_ring *r, struct buf *out)
{
	off_t from = 0;
	int rc;

	if (r->fd == -1)
		return 0;
	if (r->st.st_size > READ_MAX)
		from = r->st.st_size - READ_MAX;
	rc = fs_read_from(r->fd, from, READ_MAX, out);
	/* Begun in the midst of a line, probably. */
	if (rc == 0 && from > 0 && out->len > 0)
		buf_drop(out, line_len(out->p, out->len));
	return rc;
}

/*
 * Append the lines of src but for the first skip, without padding, to out;
 * count them. Returns whether they are as a ring's should be: whole, none
 * empty, no NUL (which is what a power cut writes).
 */
static bool
add_lines(struct buf *out, const struct buf *src, size_t skip, size_t *count)
{
	size_t at = 0, len, bare;
	bool clean = true;

	if (src->len == 0)
		return true;
	for (; (len = line_len(src->p + at, src->len - at)) > 0; at += len) {
		if (skip > 0) {
			skip--;
			continue;
		}
		bare = bare_len(src->p + at, len);
		if (bare == 0 || memchr(src->p + at, '\0', bare) != NULL) {
			clean = false;
			continue;
		}
		buf_add(out, src->p + at, bare);
		buf_addc(out, '\n');
		++*count;
	}
	return clean && at == src->len;
}

/* Take over whatever has the name now, in place of what we held. */
static int
take_over(struct spool_ring *r)
{
	struct buf text = BUF_INIT, lines = BUF_INIT;
	int rc;

	if (r->fd != -1)
		close(r->fd);
	r->lines = 0;
	r->since = SPOOL_RING_LINES;	/* nobody knows: paid for */
	r->renew = false;
	r->fd = fs_open_any(r->dir, r->name, O_RDWR, &r->st);
	if (r->fd < 0) {
		rc = r->fd;
		r->fd = -1;
		/* A link, a FIFO, ...: to be replaced. */
		r->renew = rc == -ELOOP || rc == -EINVAL;
		return rc == -ENOENT || r->renew ? 0 : rc;
	}
	rc = read_file(r, &text);
	if (rc == 0) {
		r->renew = !add_lines(&lines, &text, 0, &r->lines) ||
		    r->lines > SPOOL_RING_LINES || r->st.st_nlink > 1 ||
		    r->st.st_size > READ_MAX;
		rc = buf_err(&lines);
	}
	buf_fini(&text);
	buf_fini(&lines);
	return rc;
}

/* Does the name lead to what we hold, as we left it? */
static bool
is_ours(const struct spool_ring *r)
{
	struct stat st;

	if (fstatat(r->dir, r->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return r->fd == -1 && errno == ENOENT;
	return r->fd != -1 && st.st_dev == r->st.st_dev &&
	    st.st_ino == r->st.st_ino && st.st_size == r->st.st_size &&
	    st.st_nlink == 1;
}

/* --------------------------------------------------------- writing anew */

/* Add n spaces ahead of the newline that ends b. */
static void
pad(struct buf *b, size_t n)
{
	char *at = n > 0 ? buf_reserve(b, n) : NULL;

	if (at == NULL)
		return;
	memset(at - 1, ' ', n);
	at[n - 1] = '\n';
	at[n] = '\0';
	b->len += n;
}

/* What is left of a page after off bytes; a full page counts as nothing. */
static size_t
rest(size_t off)
{
	return (PAGE - off % PAGE) % PAGE;
}

/*
 * Everything that should be in the file, oldest first: what it has and what
 * is queued, cut back to the bounds. Returns the number of lines.
 */
static int
compose(const struct spool_ring *r, struct buf *out, size_t *count)
{
	struct buf text = BUF_INIT;
	size_t n = 0, at = 0, keep, bytes, cut = 0;
	int rc = 0;

	/* What will not be kept need not be copied, and the rest only once. */
	if (r->lines + r->queued > SPOOL_RING_LINES)
		cut = r->lines + r->queued - KEEP_LINES;
	if (cut < r->lines) {
		buf_reserve(&text, r->fd == -1 ? 0 : (r->st.st_size <
		    READ_MAX ? (size_t)r->st.st_size : READ_MAX) +
		    FS_READ_STEP);
		rc = read_file(r, &text);
	}
	if (rc == 0) {
		buf_reserve(out, text.len + r->queue.len + PAGE);
		(void)add_lines(out, &text, cut < r->lines ? cut : r->lines,
		    &n);
		(void)add_lines(out, &r->queue,
		    cut > r->lines ? cut - r->lines : 0, &n);
		rc = buf_err(out);
	}
	buf_fini(&text);
	if (rc < 0)
		return rc;
	keep = n > SPOOL_RING_LINES ? KEEP_LINES : n;
	bytes = BYTES_LEAST + (r->since + r->queued) * BYTES_EARNED;
	if (bytes > BYTES_MOST)
		bytes = BYTES_MOST;
	while (n > keep || (n > 1 && out->len - at > bytes)) {
		at += line_len(out->p + at, out->len - at);
		n--;
	}
	buf_drop(out, at);
	if (n > 0 && rest(out->len) < r->guess)
		pad(out, rest(out->len));
	*count = n;
	return buf_err(out);
}

/*
 * Write the file anew with all that is queued. Long lines make that happen
 * often; the cut at SPOOL_RING_LINES may take the time to be kept by a power
 * cut.
 */
static int
write_anew(struct spool_ring *r, enum fs_how how)
{
	struct buf b = BUF_INIT;
	struct stat st;
	size_t n;
	int fd, rc;

	rc = compose(r, &b, &n);
	if (rc == 0)
		rc = fs_replace(r->dir, r->name, b.p != NULL ? b.p : "", b.len,
		    how, &fd);
	buf_fini(&b);
	if (rc < 0)
		return rc;
	buf_clear(&r->queue);
	r->queued = 0;
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
	if (fstat(fd, &st) == -1) {
		rc = -errno;
		close(fd);
		return rc;	/* next time it is taken over */
	}
	r->fd = fd;
	r->st = st;
	r->lines = n;
	r->since = 0;
	r->renew = false;
	return 0;
}

/* ------------------------------------------------------------- appending */

/* The guess that holds when a line of this length was the last one. */
static size_t
next_guess(size_t guess, size_t len)
{
	guess -= guess / FADE;
	/* Lines beyond a page are written anew anyhow. */
	return len <= PAGE && len > guess ? len : guess;
}

/*
 * Lay the queue out to follow on the file's end. Returns 1; 0 if a line would
 * cross a boundary. What comes next is known, but for the last line.
 */
static int
lay_out(struct spool_ring *r, struct buf *out)
{
	const char *p = r->queue.p;
	size_t left = r->queue.len, len, off, next, want;

	for (; left > 0; p += len, left -= len) {
		len = line_len(p, left);
		off = (size_t)r->st.st_size + out->len;
		if (len > PAGE || off % PAGE + len > PAGE)
			return 0;
		buf_add(out, p, len);
		next = line_len(p + len, left - len);
		want = next > 0 ? next : r->guess;
		if (rest(off + len) < want)
			pad(out, rest(off + len));
	}
	return buf_err(out) < 0 ? -ENOMEM : 1;
}

/* The first n bytes of the layout are in the file: take their lines off. */
static void
account(struct spool_ring *r, const char *p, size_t n)
{
	size_t len, drop = 0;

	r->st.st_size += (off_t)n;
	for (; n > 0 && (len = line_len(p, n)) > 0; p += len, n -= len) {
		drop += line_len(r->queue.p + drop, r->queue.len - drop);
		r->lines++;
		r->since++;
		r->queued--;
	}
	buf_drop(&r->queue, drop);
}

/*
 * Append the layout. A write that falls short on a full disk ends where a
 * page does, so with a line; if some file system sees that differently, the
 * piece of a line is cut off again.
 */
static int
append(struct spool_ring *r, const struct buf *b)
{
	size_t done = 0, whole;
	ssize_t n;

	while (done < b->len) {
		n = pwrite(r->fd, b->p + done, b->len - done, r->st.st_size);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -EIO : -errno;
		whole = (size_t)n;
		while (whole > 0 && b->p[done + whole - 1] != '\n')
			whole--;
		if (whole < (size_t)n &&
		    ftruncate(r->fd, r->st.st_size + (off_t)whole) == -1) {
			r->renew = true;
			return -errno;
		}
		account(r, b->p + done, whole);
		done += whole;
		if (whole == 0) {
			/* Not even one line in a piece: all at once, then. */
			r->renew = true;
			return write_anew(r, FS_RENAMED);
		}
	}
	return 0;
}

/* While nothing can be written: the newest, within bounds. */
static void
bound_queue(struct spool_ring *r, size_t lines, size_t bytes)
{
	size_t at = 0;

	while (r->queued > lines ||
	    (r->queued > 1 && r->queue.len - at > bytes)) {
		at += line_len(r->queue.p + at, r->queue.len - at);
		r->queued--;
	}
	buf_drop(&r->queue, at);
}

static int
flush(struct spool_ring *r)
{
	struct buf b = BUF_INIT;
	int rc = 0;

	if (!is_ours(r))
		rc = take_over(r);
	if (rc < 0)
		return rc;
	if (r->fd == -1 || r->renew || r->lines + r->queued > SPOOL_RING_LINES)
		return write_anew(r, FS_RENAMED);
	rc = lay_out(r, &b);
	if (rc == 1)
		rc = append(r, &b);
	else if (rc == 0)
		rc = write_anew(r, FS_SWAPPED);
	buf_fini(&b);
	return rc;
}

/* ---------------------------------------------------------------- public */

int
ring_open(struct spool_ring **out, int dir, const char *name,
    const struct spool_box *box)
{
	struct spool_ring *r;
	int rc = 0;

	if (!fs_name_ok(name))
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->fd = -1;
	r->box = box;
	buf_init(&r->queue);
	r->name = strdup(name);
	r->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (r->dir == -1)
		rc = -errno;
	else if (r->name == NULL)
		rc = -ENOMEM;
	else
		rc = take_over(r);
	/* Mended at once if it can be; on a full disk, at the first flush. */
	if (rc == 0 && r->renew) {
		rc = write_anew(r, FS_RENAMED);
		if (rc == -ENOSPC || rc == -EDQUOT)
			rc = 0;
	}
	if (rc < 0) {
		spool_ring_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

int
spool_ring_open(struct spool_ring **out, int dir, const char *name)
{
	return ring_open(out, dir, name, NULL);
}

void
spool_ring_close(struct spool_ring *r)
{
	if (r == NULL)
		return;
	if (r->fd != -1)
		close(r->fd);
	if (r->dir != -1)
		close(r->dir);
	buf_fini(&r->queue);
	free(r->name);
	free(r);
}

int
spool_ring_add(struct spool_ring *r, const char *line, size_t len)
{
	size_t was = r->queue.len;

	len = bare_len(line, len);
	if (len == 0 || memchr(line, '\n', len) != NULL ||
	    memchr(line, '\0', len) != NULL)
		return -EINVAL;
	if (len >= SPOOL_MSG_MAX)
		return -EMSGSIZE;
	buf_add(&r->queue, line, len);
	buf_addc(&r->queue, '\n');
	if (buf_err(&r->queue) < 0) {
		/* Not half a line; the others are still good. */
		r->queue.failed = false;
		r->queue.len = was;
		return -ENOMEM;
	}
	r->queued++;
	r->guess = next_guess(r->guess, len + 1);
	/* Twice the bound before it is cut back: O(1), averaged. */
	if (r->queued > 2 * SPOOL_RING_LINES || r->queue.len > QUEUE_BYTES)
		bound_queue(r, SPOOL_RING_LINES, QUEUE_BYTES / 2);
	return 0;
}

int
spool_ring_flush(struct spool_ring *r)
{
	int rc;

	if (r->queued == 0)
		return 0;
	/* A file made anew would make the agent's rm -r fail. */
	if (r->box != NULL && spool_box_gone(r->box))
		return -ESTALE;
	rc = flush(r);
	if (rc < 0)
		bound_queue(r, SPOOL_RING_LINES, QUEUE_BYTES);
	return rc;
}

bool
spool_ring_has(struct spool_ring *r, const char *line, size_t len)
{
	struct buf b = BUF_INIT;
	size_t at = 0, n;
	bool found = false;

	len = bare_len(line, len);
	if (read_file(r, &b) == 0) {
		buf_add(&b, r->queue.p, r->queue.len);
		while (b.len > 0 && !found &&
		    (n = line_len(b.p + at, b.len - at)) > 0) {
			found = bare_len(b.p + at, n) == len &&
			    memcmp(b.p + at, line, len) == 0;
			at += n;
		}
	}
	buf_fini(&b);
	return found;
}

int
spool_ring_last(struct spool_ring *r, struct buf *out)
{
	struct buf b = BUF_INIT;
	size_t at = 0, n, last = 0, last_len = 0;
	int rc = read_file(r, &b);

	buf_add(&b, r->queue.p, r->queue.len);
	if (rc == 0)
		rc = buf_err(&b);
	if (rc == 0 && b.len > 0) {
		for (; (n = line_len(b.p + at, b.len - at)) > 0; at += n) {
			last = at;
			last_len = bare_len(b.p + at, n);
		}
		buf_add(out, b.p + last, last_len);
		rc = buf_err(out);
	}
	buf_fini(&b);
	return rc;
}

int
spool_ring_main(struct spool *sp, struct spool_ring **out)
{
	int rc = 0;

	if (sp->ring == NULL)
		rc = ring_open(&sp->ring, sp->dir, "inbox.jsonl", NULL);
	if (rc == 0)
		*out = sp->ring;
	return rc;
}

int
spool_ring_box(struct spool_box *box, struct spool_ring **out)
{
	int rc = 0;

	if (box->ring == NULL)
		rc = ring_open(&box->ring, box->dir, "inbox.jsonl", box);
	if (rc == 0)
		*out = box->ring;
	return rc;
}
