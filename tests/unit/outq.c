/*
 * outq.c - an instance with a queue, and what comes out of it.
 */
#include "config.h"

#include "outq.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t outq_now = 1000;

static int64_t
now_ms(void)
{
	return outq_now;
}

int
outq_setup(void **state)
{
	struct outq *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	fault_none();
	o->root = fault_dir(o->path);
	*state = o;
	return outq_open(o);
}

int
outq_teardown(void **state)
{
	struct outq *o = *state;

	fault_none();
	outq_close(o);
	fault_dir_remove(o->root, o->path);
	free(o);
	return 0;
}

int
outq_open(struct outq *o)
{
	int rc;

	rc = spool_open(&o->sp, AT_FDCWD, o->path, true);
	if (rc == 0)
		rc = spool_queue_open(&o->q, o->sp);
	if (rc == 0)
		o->q->mono_ms = now_ms;
	return rc;
}

void
outq_close(struct outq *o)
{
	spool_queue_close(o->q);
	spool_close(o->sp);
	o->q = NULL;
	o->sp = NULL;
}

void
outq_revive(struct outq *o, bool died)
{
	int fd;

	if (died && o->cut) {
		fd = openat(o->root, "queue", O_RDONLY | O_DIRECTORY);
		if (fd != -1) {
			fault_cut(fd);
			close(fd);
		}
	}
	assert_int_equal(outq_open(o), 0);
}

void
outq_fresh(struct outq *o)
{
	fault_note_syncs();
	outq_close(o);
	fault_dir_remove(o->root, o->path);
	o->root = fault_dir(o->path);
}

int
outq_sync(struct outq *o)
{
	int fd, rc;

	rc = spool_queue_sync_begin(o->q, &fd);
	if (rc == 1)
		rc = spool_queue_sync_end(o->q, fdatasync(fd) == -1 ? -errno :
		    0);
	return rc;
}

/* One line: id, target or "-", name, body. */
static int
receive(struct outq *o, const struct spool_item *it)
{
	struct buf body = BUF_INIT, line = BUF_INIT;
	int rc;

	rc = spool_queue_read(o->q, it, &body);
	if (rc == 0) {
		buf_addf(&line, "%" PRIu64 " %s %s ", it->id,
		    it->target[0] != '\0' ? it->target : "-", it->name);
		buf_add(&line, body.p, body.len);
		buf_addc(&line, '\n');
		fault_append(o->root, "received", line.p, line.len);
	}
	buf_fini(&body);
	buf_fini(&line);
	return rc;
}

static int
send_all(struct outq *o)
{
	const struct spool_item *it;
	uint64_t id = 0;
	int rc = 0;

	while (rc == 0 && (it = spool_queue_next(o->q, id)) != NULL) {
		id = it->id;
		if (!spool_queue_synced(o->q, id))
			break;
		rc = receive(o, it);
		if (rc == 0)
			rc = spool_queue_done(o->q, id);
	}
	return rc;
}

int
outq_turn(struct outq *o, int *again_ms)
{
	int rc, more;

	more = spool_intake_outbox(o->q, 50, again_ms);
	if (more < 0)
		return more;
	rc = outq_sync(o);
	if (rc == 0)
		rc = send_all(o);
	return rc < 0 ? rc : more;
}

void
outq_drain(struct outq *o)
{
	int again, rc;

	for (int turn = 0; turn < 10000; turn++) {
		rc = outq_turn(o, &again);
		assert_true(rc >= 0);
		if (rc == 0 && again < 0 && spool_queue_count(o->q) == 0)
			return;
		if (rc == 0 && again > 0)
			outq_now += again;
	}
	fail();
}

void
outq_append(const struct outq *o, const char *file, const char *text)
{
	fault_append(o->root, file, text, strlen(text));
}

bool
outq_exists(const struct outq *o, const char *file)
{
	struct stat st;

	return fstatat(o->root, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int
by_id(const void *a, const void *b)
{
	const struct sent_item *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

void
outq_sent(const struct outq *o, struct sent *s)
{
	struct buf all = BUF_INIT;
	char *line, *nl;
	size_t kept = 0;
	int rc;

	memset(s, 0, sizeof(*s));
	rc = spool_slurp(o->root, "received", SIZE_MAX, &all);
	if (rc == -ENOENT)
		return;
	assert_int_equal(rc, 0);
	for (line = all.p; (nl = strchr(line, '\n')) != NULL; line = nl + 1) {
		struct sent_item *it;
		int at = 0;

		*nl = '\0';
		if (s->n % 1024 == 0)
			s->item = realloc(s->item,
			    (s->n + 1024) * sizeof(*s->item));
		assert_non_null(s->item);
		it = &s->item[s->n++];
		assert_int_equal(sscanf(line, "%" SCNu64 " %65s %127s %n",
		    &it->id, it->target, it->name, &at), 3);
		it->body = strdup(line + at);
		assert_non_null(it->body);
	}
	buf_fini(&all);
	if (s->n == 0)
		return;
	qsort(s->item, s->n, sizeof(*s->item), by_id);
	for (size_t i = 0; i < s->n; i++) {
		if (kept > 0 && s->item[kept - 1].id == s->item[i].id) {
			assert_string_equal(s->item[kept - 1].body,
			    s->item[i].body);
			free(s->item[i].body);
		} else {
			s->item[kept++] = s->item[i];
		}
	}
	s->n = kept;
}

void
outq_sent_free(struct sent *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->item[i].body);
	free(s->item);
}

void
outq_assert_sent(const struct outq *o, ...)
{
	const char *want;
	struct sent s;
	size_t n = 0;
	va_list ap;

	outq_sent(o, &s);
	va_start(ap, o);
	for (; (want = va_arg(ap, const char *)) != NULL; n++) {
		assert_true(n < s.n);
		assert_string_equal(s.item[n].body, want);
	}
	va_end(ap);
	assert_int_equal(s.n, n);
	outq_sent_free(&s);
}
