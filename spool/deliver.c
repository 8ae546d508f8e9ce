/*
 * deliver.c - messages into boxes: stage, sync, publish; and after a crash.
 */
#include "config.h"

#include "spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#endif

#define TS_DIGITS 13
#define TS_MAX INT64_C(9999999999999)
#define SEQ_DIGITS 8

/* At least so many; their number. In a flood printf() shows in a profile. */
static size_t
put_digits(char *out, uint64_t n, size_t width)
{
	char rev[20];
	size_t len = 0;

	while (n > 0 || len < width) {
		rev[len++] = (char)('0' + n % 10);
		n /= 10;
	}
	for (size_t i = 0; i < len; i++)
		out[i] = rev[len - 1 - i];
	return len;
}

int
spool_name(char out[SPOOL_NAME_MAX], int64_t ts_ms, uint64_t seq,
    const char *sender)
{
	size_t len, at;

	if (*sender == '@')
		sender++;
	len = strlen(sender);
	if (!spool_component_ok(sender, len))
		return -EINVAL;
	if (ts_ms < 0)
		ts_ms = 0;
	if (ts_ms > TS_MAX)
		ts_ms = TS_MAX;
	at = put_digits(out, (uint64_t)ts_ms, TS_DIGITS);
	out[at++] = '.';
	at += put_digits(out + at, seq, SEQ_DIGITS);
	out[at++] = '.';
	if (at + len >= SPOOL_NAME_MAX)
		return -EINVAL;
	memcpy(out + at, sender, len + 1);
	return 0;
}

uint64_t
spool_name_seq(const char *name)
{
	uint64_t seq = 0;
	size_t digits;

	if (strspn(name, "0123456789") != TS_DIGITS || name[TS_DIGITS] != '.')
		return 0;
	name += TS_DIGITS + 1;
	digits = strspn(name, "0123456789");
	if (digits < SEQ_DIGITS || name[digits] != '.' ||
	    name[digits + 1] == '\0')
		return 0;
	for (size_t i = 0; i < digits; i++) {
		unsigned d = (unsigned)(name[i] - '0');

		if (seq > (UINT64_MAX - d) / 10)
			return 0;
		seq = seq * 10 + d;
	}
	return seq;
}

static void
note_delivered(struct spool_box *box, const char *name)
{
	/* An agent's, of any length: then all that can come is old. */
	if (strlen(name) >= sizeof(box->newest))
		name = "\x7f";
	if (strcmp(name, box->newest) > 0)
		strcpy(box->newest, name);
}

/*
 * Can the name have been delivered? Names rise, so most often it is behind all
 * that were there when we first looked, and all that we have put there since:
 * that saves asking for each of a flood. Who is wrong about it because of what
 * an agent made up overwrites nothing all the same.
 */
static bool
is_old(struct spool_box *box, const char *name)
{
	static const enum spool_sub subs[] = { SPOOL_NEW, SPOOL_CUR };
	struct spool_names l;

	if (!box->listed) {
		for (size_t i = 0; i < AC_COUNTOF(subs); i++) {
			if (fs_list(box->sub[subs[i]], FS_FILES, &l) < 0)
				return true;
			if (l.n > 0)
				note_delivered(box, l.name[l.n - 1]);
			spool_names_fini(&l);
		}
		box->listed = true;
	}
	return strcmp(name, box->newest) <= 0;
}

/* 1 if new/ or cur/ has it, 0, or a negative errno. */
static int
is_delivered(const struct spool_box *box, const char *name)
{
	int rc = fs_exists(box->sub[SPOOL_NEW], name);

	return rc != 0 ? rc : fs_exists(box->sub[SPOOL_CUR], name);
}

/*
 * tmp/name exists. If it is as long as ours it was staged whole before: a
 * writer that was stopped leaves less. Else it is replaced, at once durably,
 * because the cursor may be past it already.
 */
static int
stage_again(struct spool_box *box, const char *name, const void *msg,
    size_t len)
{
	struct stat st;
	int fd;

	fd = fs_open_file(box->sub[SPOOL_TMP], name, O_RDONLY, &st);
	if (fd >= 0) {
		close(fd);
		if (st.st_size == (off_t)len)
			return 0;
	}
	return spool_replace(box->sub[SPOOL_TMP], name, msg, len, true);
}

int
spool_stage(struct spool_box *box, const char *name, const void *msg,
    size_t len, int *held)
{
	int tmp = box->sub[SPOOL_TMP], fd, rc;

	if (held != NULL)
		*held = -1;
	if (len == 0 || len > SPOOL_MSG_MAX ||
	    !spool_component_ok(name, strlen(name)))
		return -EINVAL;
	if (box_gone(box))
		return -ESTALE;
	rc = is_old(box, name) ? is_delivered(box, name) : 0;
	if (rc != 0)
		return rc < 0 ? rc : -EEXIST;

	fd = fs_create(tmp, name);
	if (fd == -EEXIST)
		return stage_again(box, name, msg, len);
	if (fd < 0)
		return fd == -ENOENT ? -ESTALE : fd;
	rc = fs_write_all(fd, msg, len);
	if (rc == 0 && held != NULL) {
		*held = fd;
		return 0;
	}
	if (close(fd) == -1 && errno != EINTR && rc == 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(tmp, name, 0);
	return rc;
}

int
spool_sync(const struct spool *sp)
{
#ifdef HAVE_SYNCFS
	return syncfs(sp->dir) == -1 ? -errno : 0;
#else
	(void)sp;
	sync();
	return 0;
#endif
}

int
spool_sync_files(const int *fds, size_t n)
{
#ifdef __linux__
	static const unsigned steps[] = { SYNC_FILE_RANGE_WRITE,
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
	    SYNC_FILE_RANGE_WAIT_AFTER };

	/* All are begun before one is waited for. */
	for (size_t step = 0; step < AC_COUNTOF(steps); step++)
		for (size_t i = 0; i < n; i++)
			if (sync_file_range(fds[i], 0, 0, steps[step]) == -1)
				return -errno;
	return 0;
#else
	(void)fds;
	(void)n;
	return -ENOSYS;
#endif
}

#ifdef __linux__
/*
 * ext2 has the same number, and ext4 can do without: is there a journal, and
 * so a thread that writes it? "<none>", or its pid (0: not in our namespace).
 */
static bool
is_journaled(dev_t dev)
{
	char path[128], link[256], first = '<';
	const char *base;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev),
	    minor(dev));
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return false;
	link[n] = '\0';
	base = strrchr(link, '/');
	n = snprintf(path, sizeof(path), "/sys/fs/ext4/%s/journal_task",
	    base != NULL ? base + 1 : link);
	if ((size_t)n >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, &first, 1);
	close(fd);
	return n == 1 && first >= '0' && first <= '9';
}

bool
spool_keeps_order(const struct spool *sp)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(sp->dir, &fs) == -1 || fstat(sp->dir, &st) == -1)
		return false;
	switch ((uint32_t)fs.f_type) {
	case EXT4_SUPER_MAGIC:
		return is_journaled(st.st_dev);
	case XFS_SUPER_MAGIC:
	case TMPFS_MAGIC:	/* a power cut takes all of it */
		return true;
	default:		/* btrfs, for one, makes single files durable */
		return false;
	}
}
#else
bool
spool_keeps_order(const struct spool *sp)
{
	(void)sp;
	return false;
}
#endif

int
spool_publish(struct spool_box *box, const char *name, bool read)
{
	int to = box->sub[read ? SPOOL_CUR : SPOOL_NEW];
	int other = box->sub[read ? SPOOL_NEW : SPOOL_CUR];
	int rc;

	if (!spool_component_ok(name, strlen(name)))
		return -EINVAL;
	if (box_gone(box))
		return -ESTALE;
	/* What the agent has read must not be new again. */
	rc = is_old(box, name) ? fs_exists(other, name) : 0;
	if (rc < 0)
		return rc;
	rc = rc == 1 ? -EEXIST :
	    fs_rename_noreplace(box->sub[SPOOL_TMP], name, to, name);
	if (rc == 0)
		note_delivered(box, name);
	if (rc == -EEXIST)
		return fs_remove(box->sub[SPOOL_TMP], name);
	if (rc != -ENOENT)
		return rc;
	/* Whatever a glance has seen: something isn't as it was. */
	box->looked = 0;
	if (spool_box_gone(box))
		return -ESTALE;
	rc = is_delivered(box, name);
	if (rc == 1)
		note_delivered(box, name);
	return rc == 0 ? -ENOENT : rc < 0 ? rc : 0;
}

bool
spool_move_plan(struct spool_box *box, const char *name, bool read,
    struct spool_move *move)
{
	if (!spool_component_ok(name, strlen(name)) || box_gone(box) ||
	    is_old(box, name))
		return false;
	note_delivered(box, name);
	box->move_looked = 0;
	move->box = box;
	move->to = read ? SPOOL_CUR : SPOOL_NEW;
	return true;
}

int
spool_move(const struct spool_move *move, const char *name, unsigned look)
{
	struct spool_box *box = move->box;

	if (box->move_looked != look && spool_box_gone(box))
		return -ESTALE;
	box->move_looked = look;
	return fs_rename_noreplace(box->sub[SPOOL_TMP], name,
	    box->sub[move->to], name);
}

/*
 * One staged file, its content in b. 1: whole and readable; 0: strange. A
 * second link is what a publish by link and unlink left when it was stopped
 * between the two: delivered already.
 */
static int
read_staged(struct spool_box *box, const char *name, struct buf *b)
{
	int rc;

	if (!spool_component_ok(name, strlen(name)))
		return 0;
	buf_clear(b);
	rc = spool_slurp(box->sub[SPOOL_TMP], name, SPOOL_MSG_MAX, b);
	if (rc == -EINVAL || rc == -ELOOP || rc == -EFBIG || rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : b->len > 0;
}

static int
recover_one(struct spool_box *box, const char *name, struct buf *b,
    spool_recover_fn *fn, void *arg)
{
	int rc = read_staged(box, name, b);

	if (rc == 1)
		rc = fn(arg, box, name, b->p, b->len);
	if (rc < 0)
		return rc;
	if (rc > 0)
		return spool_publish(box, name, rc == 2);
	rc = fs_remove(box->sub[SPOOL_TMP], name);
	/* A directory that isn't empty: nobody's message, it may stay. */
	return rc == -ENOTEMPTY || rc == -EEXIST ? 0 : rc;
}

int
spool_recover(struct spool_box *box, spool_recover_fn *fn, void *arg)
{
	struct buf b = BUF_INIT;
	struct spool_names l;
	int rc;

	rc = fs_list(box->sub[SPOOL_TMP], FS_ALL, &l);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l.n && rc == 0; i++)
		rc = recover_one(box, l.name[i], &b, fn, arg);
	spool_names_fini(&l);
	buf_fini(&b);
	return rc;
}
