/*
 * once.c - no encrypted message twice: the file enc_seen.
 *
 * Lines, oldest first: "@sender id ts mailbox-seq epoch", and "@sender - ts"
 * where all up to that time is forgotten. It is appended to, and written anew
 * when it has twice as many lines as are kept.
 */
#include "config.h"

#include "daemon/once.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/map.h"
#include "spool/spool.h"

#define FILE_NAME	"enc_seen"
#define FILE_MAX	(64 << 20)

struct met {
	TAILQ_ENTRY(met) next;
	int64_t		 ts;
	size_t		 key_len;	/* "@sender id" */
	char		 line[];	/* begins with the key; no newline */
};

/* A sender of whom something is forgotten. */
struct floor {
	int64_t		 ts;
	char		 from[];
};

struct once {
	int		 dir;
	size_t		 max, lines;	/* to keep; in the file */
	struct map	 met;		/* by key */
	struct map	 floors;	/* by sender */
	TAILQ_HEAD(, met) order;	/* oldest first */
};

static int
raise_floor(struct once *o, const char *from, size_t len, int64_t ts)
{
	struct floor *f = map_get(&o->floors, from, len);
	int rc;

	if (f == NULL) {
		f = malloc(sizeof(*f) + len + 1);
		if (f == NULL)
			return -ENOMEM;
		f->ts = ts;
		memcpy(f->from, from, len);
		f->from[len] = '\0';
		rc = map_put(&o->floors, f->from, len, f);
		if (rc < 0) {
			free(f);
			return rc;
		}
	}
	if (ts > f->ts)
		f->ts = ts;
	return 0;
}

static int
forget_oldest(struct once *o)
{
	struct met *m = TAILQ_FIRST(&o->order);
	int rc = raise_floor(o, m->line, strcspn(m->line, " "), m->ts);

	if (rc < 0)
		return rc;
	TAILQ_REMOVE(&o->order, m, next);
	map_del(&o->met, m->line, m->key_len);
	free(m);
	return 0;
}

/* line: "@sender id ...", whose first key_len bytes are the key. */
static int
remember(struct once *o, const char *line, size_t key_len, int64_t ts)
{
	size_t len = strlen(line);
	struct met *m;
	int rc;

	if (map_get(&o->met, line, key_len) != NULL)
		return 0;
	m = malloc(sizeof(*m) + len + 1);
	if (m == NULL)
		return -ENOMEM;
	m->ts = ts;
	m->key_len = key_len;
	memcpy(m->line, line, len + 1);
	rc = map_put(&o->met, m->line, key_len, m);
	if (rc < 0) {
		free(m);
		return rc;
	}
	TAILQ_INSERT_TAIL(&o->order, m, next);
	return o->met.count > o->max ? forget_oldest(o) : 0;
}

/* Ids are the sender's own words: what can't stand in a line is escaped. */
static void
put_id(struct buf *b, const char *id)
{
	for (; *id != '\0'; id++) {
		unsigned char c = (unsigned char)*id;

		if (c <= ' ' || c == '%' || c >= 0x7f ||
		    (c == '-' && id[1] == '\0' && b->p[b->len - 1] == ' '))
			buf_addf(b, "%%%02x", c);
		else
			buf_addc(b, (char)c);
	}
}

static int
make_line(struct buf *b, const struct once_msg *m, size_t *key_len)
{
	buf_addf(b, "%s ", m->from);
	if (buf_err(b) < 0)
		return -ENOMEM;
	put_id(b, m->id);
	*key_len = b->len;
	buf_addf(b, " %" PRId64 " %" PRIu64 " %s", m->ts, m->mailbox_seq,
	    m->epoch);
	return buf_err(b);
}

enum once_word
once_ask(const struct once *o, const struct once_msg *m)
{
	const struct floor *f = map_get(&o->floors, m->from, strlen(m->from));
	struct buf line = BUF_INIT;
	enum once_word word = ONCE_NEW;
	size_t key_len;

	if (make_line(&line, m, &key_len) < 0 ||
	    map_get(&o->met, line.p, key_len) != NULL)
		word = ONCE_AGAIN;
	else if (f != NULL && m->ts <= f->ts)
		word = ONCE_TOO_OLD;
	buf_fini(&line);
	return word;
}

/* ------------------------------------------------------------- the file */

/* Everything that is kept, in place of what is in the file. */
static int
rewrite(struct once *o)
{
	struct buf b = BUF_INIT;
	const struct floor *f;
	const struct met *m;
	size_t at = 0;
	int rc;

	while ((f = map_next(&o->floors, &at)) != NULL)
		buf_addf(&b, "%s - %" PRId64 "\n", f->from, f->ts);
	TAILQ_FOREACH(m, &o->order, next)
		buf_addf(&b, "%s\n", m->line);
	rc = buf_err(&b);
	if (rc == 0)
		rc = spool_replace(o->dir, FILE_NAME, b.p != NULL ? b.p : "",
		    b.len, true);
	if (rc == 0)
		o->lines = o->met.count + o->floors.count;
	buf_fini(&b);
	return rc;
}

static int
append(struct once *o, const struct buf *line)
{
	int fd = openat(o->dir, FILE_NAME, O_WRONLY | O_APPEND | O_CREAT |
	    O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;
	ssize_t n;
	int rc = 0;

	if (fd == -1)
		return -errno;
	if (fstat(fd, &st) == -1)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		rc = -EINVAL;
	else if ((n = write(fd, line->p, line->len)) == -1)
		rc = -errno;
	else if ((size_t)n != line->len)
		rc = -ENOSPC;
	close(fd);
	return rc;
}

int
once_note(struct once *o, const struct once_msg *m)
{
	struct buf line = BUF_INIT;
	size_t key_len;
	int rc = make_line(&line, m, &key_len);

	if (rc == 0)
		rc = remember(o, line.p, key_len, m->ts);
	buf_addc(&line, '\n');
	if (rc == 0)
		rc = buf_err(&line);
	if (rc == 0 && ++o->lines > 2 * o->max) {
		rc = rewrite(o);
	} else if (rc == 0) {
		rc = append(o, &line);
		if (rc < 0)	/* half a line may stand there */
			o->lines = 2 * o->max;
	}
	buf_fini(&line);
	return rc;
}

/* ------------------------------------------------------------- at start */

/* What a crash or a full disk cut off is skipped: a line counts if whole. */
static int
read_line(struct once *o, char *line, const char *epoch, uint64_t mailbox_seq)
{
	char *copy = strdup(line), *rest = copy, *f[5] = { NULL };
	int64_t ts, seq = 0;
	int rc = 0;

	if (copy == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < AC_COUNTOF(f) && rest != NULL; i++)
		f[i] = strsep(&rest, " ");
	if (f[2] == NULL || f[0][0] != '@' ||
	    conf_int(f[2], 0, INT64_MAX, &ts) < 0)
		goto out;
	if (strcmp(f[1], "-") == 0)
		rc = raise_floor(o, f[0], strlen(f[0]), ts);
	else if (f[4] == NULL || conf_int(f[3], 0, INT64_MAX, &seq) < 0)
		goto out;
	else if (seq == 0 || strcmp(f[4], epoch) != 0 ||
	    (uint64_t)seq <= mailbox_seq)
		rc = remember(o, line, strlen(f[0]) + 1 + strlen(f[1]), ts);
out:
	free(copy);
	return rc;
}

static int
load(struct once *o, const char *epoch, uint64_t mailbox_seq)
{
	struct buf text = BUF_INIT;
	int rc = spool_slurp(o->dir, FILE_NAME, FILE_MAX, &text);
	char *at = text.p, *line;

	while (rc == 0 && at != NULL && (line = strsep(&at, "\n")) != NULL)
		rc = read_line(o, line, epoch, mailbox_seq);
	/* Always anew: no line of it may be one that we didn't count. */
	if (rc == 0 && text.len > 0)
		rc = rewrite(o);
	buf_fini(&text);
	return rc == -ENOENT ? 0 : rc;
}

int
once_open(struct once **out, int dir, size_t max, const char *epoch,
    uint64_t mailbox_seq)
{
	struct once *o = calloc(1, sizeof(*o));
	int rc;

	if (o == NULL)
		return -ENOMEM;
	o->dir = dir;
	o->max = max;
	map_init(&o->met);
	map_init(&o->floors);
	TAILQ_INIT(&o->order);
	rc = load(o, epoch, mailbox_seq);
	if (rc < 0) {
		once_free(o);
		return rc;
	}
	*out = o;
	return 0;
}

void
once_free(struct once *o)
{
	struct floor *f;
	struct met *m;
	size_t at = 0;

	if (o == NULL)
		return;
	while ((f = map_next(&o->floors, &at)) != NULL)
		free(f);
	while ((m = TAILQ_FIRST(&o->order)) != NULL) {
		TAILQ_REMOVE(&o->order, m, next);
		free(m);
	}
	map_fini(&o->floors);
	map_fini(&o->met);
	free(o);
}
