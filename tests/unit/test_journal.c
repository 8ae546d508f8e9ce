/*
 * test_journal.c - crc32c, journal, replay.
 */
#include "config.h"

#include "unit.h"
#include "fault.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rnd.h"
#include "spool/crc32c.h"
#include "spool/journal.h"

#define SEG_BIG		(UINT64_C(64) << 20)
#define FIRST_SEG	"0000000000000000"

struct jdir {
	char	path[64];
	int	fd;
};

static int
setup(void **state)
{
	struct jdir *d = malloc(sizeof(*d));

	assert_non_null(d);
	fault_none();
	d->fd = fault_dir(d->path);
	*state = d;
	return 0;
}

static int
teardown(void **state)
{
	struct jdir *d = *state;

	fault_dir_remove(d->fd, d->path);
	free(d);
	return 0;
}

/* What replay gave: records are "<number>" followed by number % 90 x's. */
struct seen {
	int	 n[4096];
	uint64_t pos[4096];
	size_t	 count;
	uint64_t end;
	bool	 bad;
};

static size_t
body_of(char out[128], int number)
{
	int len = snprintf(out, 128, "%d", number);

	memset(out + len, 'x', (size_t)(number % 90));
	return (size_t)(len + number % 90);
}

static int
see(void *arg, uint8_t type, uint64_t pos, uint64_t end, const void *body,
    size_t len)
{
	struct seen *s = arg;
	char want[128], got[128] = "";
	int n;

	if (len < sizeof(got))
		memcpy(got, body, len);
	n = atoi(got);
	if (type != n % 255 + 1 || body_of(want, n) != len ||
	    memcmp(body, want, len) != 0 || pos < s->end || end <= pos)
		s->bad = true;
	s->end = end;
	if (s->count < 4096) {
		s->n[s->count] = n;
		s->pos[s->count] = pos;
	}
	s->count++;
	return 0;
}

static uint64_t
append(struct journal *j, int number)
{
	char body[128];
	size_t len = body_of(body, number);
	struct iovec iov[2] = {
		{ body, len / 2 }, { body + len / 2, len - len / 2 }
	};

	return journal_append(j, (uint8_t)(number % 255 + 1), iov, 2);
}

static struct journal *
open_journal(struct jdir *d, uint64_t seg_len, struct seen *s)
{
	struct journal *j;

	memset(s, 0, sizeof(*s));
	assert_int_equal(journal_open(&j, d->fd, seg_len, false, see, s,
	    NULL), 0);
	assert_false(s->bad);
	return j;
}

static void
assert_seen(const struct seen *s, int first, size_t count)
{
	assert_false(s->bad);
	assert_int_equal(s->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(s->n[i], first + (int)i);
}

static void
assert_reads(struct journal *j, uint64_t pos, int number)
{
	struct buf b = BUF_INIT;
	char want[128];
	size_t len = body_of(want, number);
	uint8_t type;

	assert_int_equal(journal_read(j, pos, &type, &b), 0);
	assert_int_equal(type, number % 255 + 1);
	assert_int_equal(b.len, len);
	assert_memory_equal(b.p, want, len);
	buf_fini(&b);
}

static void
commit_each(struct journal *j, int first, int count)
{
	for (int i = first; i < first + count; i++) {
		assert_int_not_equal(append(j, i), 0);
		assert_int_equal(journal_commit(j), 0);
	}
}

/* ---------------------------------------------------------------- crc32c */

static void
crc32c_gives_the_known_values(void **state)
{
	uint8_t b[32];

	(void)state;
	for (int hw = 0; hw < 2; hw++) {
		uint32_t (*f)(uint32_t, const void *, size_t) =
		    hw ? crc32c : crc32c_portable;

		assert_int_equal(f(0, "123456789", 9), 0xe3069283);
		memset(b, 0, sizeof(b));
		assert_int_equal(f(0, b, 32), 0x8a9136aa);
		memset(b, 0xff, sizeof(b));
		assert_int_equal(f(0, b, 32), 0x62a8ab43);
		for (int i = 0; i < 32; i++)
			b[i] = (uint8_t)i;
		assert_int_equal(f(0, b, 32), 0x46dd794e);
		assert_int_equal(f(f(0, b, 13), b + 13, 19), 0x46dd794e);
		assert_int_equal(f(7, b, 0), 7);
	}
}

static void
crc32c_by_instruction_is_crc32c_by_table(void **state)
{
	uint8_t b[300];

	(void)state;
	rnd_bytes(b, sizeof(b));
	for (size_t from = 0; from < 9; from++) {
		for (size_t len = 0; len < sizeof(b) - from; len++)
			assert_int_equal(crc32c(99, b + from, len),
			    crc32c_portable(99, b + from, len));
	}
}

/* --------------------------------------------------------------- ordinary */

static void
gives_back_what_was_committed(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);
	uint64_t pos[200], end;

	assert_seen(&s, 0, 0);
	assert_int_equal(journal_end(j), 0);
	for (int i = 0; i < 200; i++) {
		pos[i] = append(j, i);
		assert_true(i == 0 ? pos[i] > 0 : pos[i] > pos[i - 1]);
		if (i % 7 == 0)
			assert_int_equal(journal_commit(j), 0);
	}
	assert_int_equal(journal_commit(j), 0);
	assert_int_equal(journal_commit(j), 0);
	end = journal_end(j);
	for (int i = 0; i < 200; i++)
		assert_reads(j, pos[i], i);
	journal_close(j);

	j = open_journal(*state, SEG_BIG, &s);
	assert_seen(&s, 0, 200);
	assert_memory_equal(s.pos, pos, sizeof(pos));
	assert_int_equal(journal_end(j), end);
	assert_int_equal(journal_synced(j), end);
	for (int i = 0; i < 200; i++)
		assert_reads(j, pos[i], i);
	commit_each(j, 200, 1);
	journal_close(j);
	j = open_journal(*state, SEG_BIG, &s);
	assert_seen(&s, 0, 201);
	journal_close(j);
}

static void
forgets_what_was_not_committed(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);
	struct buf b = BUF_INIT;
	uint64_t pos;

	commit_each(j, 0, 3);
	pos = append(j, 3);
	assert_int_equal(journal_read(j, pos, NULL, &b), -EUCLEAN);
	assert_int_equal(b.len, 0);
	journal_abandon(j);
	assert_int_equal(journal_commit(j), 0);
	assert_int_equal(journal_end(j), pos);
	append(j, 3);
	journal_close(j);
	j = open_journal(*state, SEG_BIG, &s);
	assert_seen(&s, 0, 3);
	journal_close(j);
}

static void
takes_bodies_from_nothing_to_the_limit(void **state)
{
	static const size_t lens[] = { 0, 1, 3, 4, 5, 4083, 4084, 4085, 70000,
	    JOURNAL_BODY_MAX };
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);
	char *body = malloc(JOURNAL_BODY_MAX);
	uint64_t pos[AC_COUNTOF(lens)];
	struct buf b = BUF_INIT;
	uint8_t type;

	assert_non_null(body);
	rnd_bytes(body, JOURNAL_BODY_MAX);
	for (size_t i = 0; i < AC_COUNTOF(lens); i++)
		pos[i] = journal_append(j, 255,
		    &(struct iovec){ body, lens[i] }, 1);
	assert_int_equal(journal_commit(j), 0);
	for (size_t i = 0; i < AC_COUNTOF(lens); i++) {
		buf_clear(&b);
		buf_adds(&b, "before");
		assert_int_equal(journal_read(j, pos[i], &type, &b), 0);
		assert_int_equal(type, 255);
		assert_int_equal(b.len, 6 + lens[i]);
		assert_memory_equal(b.p + 6, body, lens[i]);
	}
	assert_int_equal(journal_append(j, 1, (struct iovec[]){
	    { body, JOURNAL_BODY_MAX }, { body, 1 } }, 2), 0);
	assert_int_equal(journal_append(j, 1, NULL, 0), 0);
	assert_int_equal(journal_commit(j), -EMSGSIZE);
	assert_int_not_equal(journal_append(j, 1, NULL, 0), 0);
	assert_int_equal(journal_commit(j), 0);
	buf_fini(&b);
	free(body);
	journal_close(j);
}

static void
goes_on_in_new_segments_and_drops_old_ones(void **state)
{
	struct jdir *d = *state;
	struct seen s;
	struct journal *j = open_journal(d, 400, &s);
	struct buf b = BUF_INIT;
	uint64_t pos[300];

	for (int i = 0; i < 300; i++) {
		pos[i] = append(j, i);
		assert_int_equal(journal_commit(j), 0);
	}
	for (int i = 299; i >= 0; i -= 3)
		assert_reads(j, pos[i], i);
	assert_int_equal(journal_retire(j, pos[250]), 0);
	assert_true(journal_start(j) <= pos[250]);
	assert_true(journal_start(j) > pos[230]);
	assert_int_equal(journal_read(j, pos[0], NULL, &b), -ENOENT);
	assert_reads(j, pos[250], 250);
	assert_reads(j, pos[299], 299);
	journal_close(j);

	j = open_journal(d, 400, &s);
	assert_true(s.count >= 50 && s.count < 70);
	assert_seen(&s, 300 - (int)s.count, s.count);
	assert_int_equal(journal_rotate(j), 0);
	assert_int_equal(journal_rotate(j), 0);
	assert_int_equal(journal_retire(j, journal_end(j)), 0);
	assert_int_equal(journal_start(j), journal_end(j));
	journal_close(j);
	j = open_journal(d, 400, &s);
	assert_seen(&s, 0, 0);
	assert_true(journal_end(j) > pos[299]);
	commit_each(j, 1000, 2);
	journal_close(j);
	j = open_journal(d, 400, &s);
	assert_seen(&s, 1000, 2);
	journal_close(j);
}

static void
refuses_to_rotate_an_uncommitted_batch(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);

	append(j, 1);
	assert_int_equal(journal_rotate(j), -EINVAL);
	assert_int_equal(journal_commit(j), 0);
	assert_int_equal(journal_rotate(j), 0);
	journal_close(j);
}

static int
stop_at_third(void *arg, uint8_t type, uint64_t pos, uint64_t end,
    const void *body, size_t len)
{
	(void)type;
	(void)pos;
	(void)end;
	(void)body;
	(void)len;
	return ++*(int *)arg == 3 ? -ECANCELED : 0;
}

static void
ends_the_replay_when_told(void **state)
{
	struct jdir *d = *state;
	struct seen s;
	struct journal *j = open_journal(d, SEG_BIG, &s);
	int count = 0;

	commit_each(j, 0, 10);
	journal_close(j);
	assert_int_equal(journal_open(&j, d->fd, SEG_BIG, false,
	    stop_at_third, &count, NULL), -ECANCELED);
	assert_int_equal(count, 3);
}

/* ------------------------------------------------------------------- sync */

static void
syncs_in_halves(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);
	uint64_t first;
	int fd, other;

	assert_int_equal(journal_sync_begin(j, &fd), 0);
	commit_each(j, 0, 3);
	first = journal_end(j);
	assert_int_equal(journal_sync_begin(j, &fd), 1);
	assert_int_equal(journal_sync_begin(j, &other), 0);
	assert_int_equal(journal_sync(j), -EBUSY);
	commit_each(j, 3, 2);
	assert_int_equal(journal_synced(j), 0);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(journal_sync_end(j, 0), 0);
	assert_int_equal(journal_synced(j), first);
	assert_int_equal(journal_sync(j), 0);
	assert_int_equal(journal_synced(j), journal_end(j));
	assert_int_equal(journal_sync_begin(j, &fd), 0);
	journal_close(j);
}

static void
a_sync_outlives_the_segment_that_it_is_of(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);
	uint64_t end;
	int fd;

	commit_each(j, 0, 3);
	assert_int_equal(journal_sync_begin(j, &fd), 1);
	commit_each(j, 3, 1);
	end = journal_end(j);
	assert_int_equal(journal_rotate(j), 0);
	commit_each(j, 4, 1);
	assert_int_equal(journal_rotate(j), 0);
	assert_int_equal(journal_retire(j, end), 0);
	commit_each(j, 5, 1);
	assert_int_equal(journal_synced(j), 0);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(journal_sync_end(j, 0), 0);
	assert_true(journal_synced(j) > end);
	assert_true(journal_synced(j) < journal_end(j));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(journal_sync(j), 0);
	journal_close(j);
	j = open_journal(*state, SEG_BIG, &s);
	assert_seen(&s, 4, 2);
	journal_close(j);
}

static void
a_failed_sync_is_final(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);
	int fd;

	commit_each(j, 0, 3);
	assert_int_equal(journal_sync_begin(j, &fd), 1);
	assert_int_equal(journal_sync_end(j, -EIO), -EIO);
	assert_int_equal(journal_synced(j), 0);
	append(j, 4);
	assert_int_equal(journal_commit(j), -EIO);
	assert_int_equal(journal_sync_begin(j, &fd), -EIO);
	assert_int_equal(journal_rotate(j), -EIO);
	journal_close(j);
}

static void
a_failed_sync_at_rotation_is_final(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);

	commit_each(j, 0, 3);
	fault_fail("fdatasync", 0, EIO);
	assert_int_equal(journal_rotate(j), -EIO);
	fault_none();
	append(j, 4);
	assert_int_equal(journal_commit(j), -EIO);
	assert_int_equal(journal_sync(j), -EIO);
	assert_int_equal(journal_synced(j), 0);
	journal_close(j);
}

/* ----------------------------------------------------------------- faults */

static void
survives_short_writes(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);

	fault_short(7);
	for (int i = 0; i < 50; i++)
		append(j, i);
	assert_int_equal(journal_commit(j), 0);
	assert_true(fault_count() > 50);
	journal_close(j);
	j = open_journal(*state, SEG_BIG, &s);
	assert_seen(&s, 0, 50);
	journal_close(j);
}

static off_t
file_size(struct jdir *d, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(d->fd, name, &st, 0), 0);
	return st.st_size;
}

static void
a_failed_commit_leaves_nothing(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);
	off_t size;

	commit_each(j, 0, 10);
	size = (off_t)journal_end(j);
	for (int i = 10; i < 20; i++)
		append(j, i);
	fault_fail("pwrite", 1, ENOSPC);
	assert_int_equal(journal_commit(j), -ENOSPC);
	fault_none();
	assert_int_equal(journal_end(j), size);
	assert_int_equal(file_size(*state, FIRST_SEG), size);
	assert_int_equal(journal_commit(j), 0);
	commit_each(j, 10, 2);
	journal_close(j);
	j = open_journal(*state, SEG_BIG, &s);
	assert_seen(&s, 0, 12);
	journal_close(j);
}

/* Does the file system of the tests have fallocate()? */
static bool
makes_room(struct jdir *d)
{
#ifdef HAVE_FALLOCATE
	int fd = openat(d->fd, "room", O_RDWR | O_CREAT, 0600);
	bool makes;

	assert_true(fd >= 0);
	makes = fallocate(fd, 0, 0, 4096) == 0;
	close(fd);
	assert_int_equal(unlinkat(d->fd, "room", 0), 0);
	return makes;
#else
	(void)d;
	return false;
#endif
}

/*
 * The bytes made ready for what is to come are no torn tail, but no records
 * either; and a file system without them does as well.
 */
static void
room_for_more_is_no_torn_tail(void **state)
{
	struct jdir *d = *state;
	struct journal_report rep;
	struct seen s;
	struct journal *j;
	bool has_room = makes_room(d);
	off_t end;
	pid_t pid;
	int status;

	for (int first = 0; first < 30; first += 10) {
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {		/* dies without closing it */
			j = open_journal(d, SEG_BIG, &s);
			if (first == 20)
				fault_fail("fallocate", 0, EOPNOTSUPP);
			commit_each(j, first, 10);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		memset(&s, 0, sizeof(s));
		assert_int_equal(journal_look(d->fd, see, &s, &rep), 0);
		assert_seen(&s, 0, (size_t)first + 10);
		assert_int_equal(rep.cut, 0);
		end = (off_t)s.end;
		if (first == 20)
			assert_int_equal(file_size(d, FIRST_SEG), end);
		else if (has_room)
			assert_true(file_size(d, FIRST_SEG) > end);
		memset(&s, 0, sizeof(s));
		assert_int_equal(journal_open(&j, d->fd, SEG_BIG, false, see,
		    &s, &rep), 0);
		assert_seen(&s, 0, (size_t)first + 10);
		assert_int_equal(rep.cut, 0);
		assert_int_equal(file_size(d, FIRST_SEG), end);
		journal_close(j);
	}
}

/* Whoever leaves a segment, or closes the journal, takes the room with him. */
static void
room_for_more_goes_with_its_owner(void **state)
{
	struct jdir *d = *state;
	struct seen s;
	struct journal *j = open_journal(d, SEG_BIG, &s);
	bool has_room = makes_room(d);
	char name[17];
	uint64_t first;
	off_t size;

	commit_each(j, 0, 10);
	first = journal_end(j);
	assert_int_equal(journal_rotate(j), 0);
	assert_int_equal(file_size(d, FIRST_SEG), first);
	commit_each(j, 10, 1);
	snprintf(name, sizeof(name), "%016" PRIx64, first);
	size = file_size(d, name);
	assert_true(!has_room || (uint64_t)size > journal_end(j) - first);
	commit_each(j, 11, 9);
	assert_true(!has_room || file_size(d, name) == size);
	first = journal_end(j) - first;
	journal_close(j);
	assert_int_equal(file_size(d, name), first);
	journal_close(open_journal(d, SEG_BIG, &s));
	assert_seen(&s, 0, 20);
}

/* A large batch is appended, and so is what comes where there is no room. */
static void
makes_room_for_small_batches_only(void **state)
{
	struct jdir *d = *state;
	struct seen s;
	struct journal *j = open_journal(d, SEG_BIG, &s);
	off_t size;

	if (!makes_room(d)) {
		journal_close(j);
		skip();
	}
	for (int i = 0; i < 40; i++)
		append(j, i);
	assert_int_equal(journal_commit(j), 0);
	assert_int_equal(file_size(d, FIRST_SEG), journal_end(j));
	fault_fail("fallocate", 1, ENOSPC);
	commit_each(j, 40, 2);		/* is asked for once only */
	fault_none();
	assert_int_equal(file_size(d, FIRST_SEG), journal_end(j));
	append(j, 42);
	fault_fail("pwrite", 1, ENOSPC);
	assert_int_equal(journal_commit(j), -ENOSPC);
	fault_none();
	commit_each(j, 42, 1);		/* cut back, it is asked for again */
	size = (off_t)journal_end(j);
	assert_true(file_size(d, FIRST_SEG) > size);
	journal_close(j);
	assert_int_equal(file_size(d, FIRST_SEG), size);
	journal_close(open_journal(d, SEG_BIG, &s));
	assert_seen(&s, 0, 43);
}

/*
 * A journal is looked at while its owner goes on: what he writes, and vouches
 * for, where the looker saw zeros is no damage. The end lies just below what
 * is read at once.
 */
struct owner {
	struct journal	*j;
	struct seen	 seen;
	size_t		 count;
};

static int
see_and_write(void *arg, uint8_t type, uint64_t pos, uint64_t end,
    const void *body, size_t len)
{
	struct owner *o = arg;

	if (o->seen.count + 1 == o->count)
		for (int i = 0; i < 5; i++) {
			commit_each(o->j, 5000 + i, 1);
			assert_int_equal(journal_sync(o->j), 0);
		}
	return see(&o->seen, type, pos, end, body, len);
}

static void
looking_at_a_live_journal_finds_no_damage(void **state)
{
	struct jdir *d = *state;
	struct owner o = { 0 };
	struct journal_report rep;

	o.j = open_journal(d, SEG_BIG, &o.seen);
	for (int i = 0; journal_end(o.j) < (1 << 20) - 20000; i++, o.count++)
		commit_each(o.j, i % 4000, 1);
	assert_int_equal(journal_sync(o.j), 0);
	assert_int_equal(journal_look(d->fd, see_and_write, &o, &rep), 0);
	assert_false(o.seen.bad);
	assert_true(o.seen.count >= o.count);
	assert_false(rep.damaged);
	assert_int_equal(rep.cut, 0);
	assert_int_equal(rep.lost, 0);
	journal_close(o.j);
}

static void
a_commit_that_can_not_be_cut_back_is_the_last(void **state)
{
	struct seen s;
	struct journal *j = open_journal(*state, SEG_BIG, &s);

	commit_each(j, 0, 2);
	append(j, 2);
	fault_fail_all(EIO);
	assert_int_equal(journal_commit(j), -EIO);
	fault_none();
	append(j, 2);
	assert_int_equal(journal_commit(j), -EIO);
	assert_int_equal(journal_sync(j), -EIO);
	journal_close(j);
	journal_close(open_journal(*state, SEG_BIG, &s));
	assert_seen(&s, 0, 2);
}

static void
waits_for_room_on_a_full_disk(void **state)
{
	struct jdir *d = *state, small = { .fd = -1 };
	struct seen s;
	struct journal *j;
	char filler[16000];
	int rc = 0, n, fd;

	snprintf(small.path, sizeof(small.path), "%.50s/mnt", d->path);
	assert_int_equal(mkdir(small.path, 0700), 0);
	if (mount("none", small.path, "tmpfs", 0, "size=64k,mode=700") == -1)
		skip();
	small.fd = open(small.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(filler, 'f', sizeof(filler));
	fd = openat(small.fd, "filler", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, filler, sizeof(filler)), sizeof(filler));
	close(fd);
	j = open_journal(&small, 4096, &s);
	for (n = 0; rc == 0 && n < 4000; n++) {
		append(j, n);
		rc = journal_commit(j);
	}
	assert_int_equal(rc, -ENOSPC);
	n--;
	append(j, n);
	assert_int_equal(journal_commit(j), -ENOSPC);
	assert_int_equal(unlinkat(small.fd, "filler", 0), 0);
	commit_each(j, n, 10);
	journal_close(j);
	j = open_journal(&small, 4096, &s);
	assert_seen(&s, 0, (size_t)n + 10);
	journal_close(j);
	close(small.fd);
	assert_int_equal(umount(small.path), 0);
}

static void
refuses_files_that_are_not_ours(void **state)
{
	struct jdir *d = *state;
	struct seen s = { 0 };
	struct journal *j;

	assert_int_equal(symlinkat("/etc/passwd", d->fd, FIRST_SEG), 0);
	assert_int_equal(journal_open(&j, d->fd, 400, true, see, &s, NULL),
	    -ELOOP);
	unlinkat(d->fd, FIRST_SEG, 0);
	assert_int_equal(mkfifoat(d->fd, FIRST_SEG, 0600), 0);
	assert_int_equal(journal_open(&j, d->fd, 400, true, see, &s, NULL),
	    -EINVAL);
	unlinkat(d->fd, FIRST_SEG, 0);
	close(openat(d->fd, "elsewhere", O_WRONLY | O_CREAT, 0600));
	assert_int_equal(linkat(d->fd, "elsewhere", d->fd, FIRST_SEG, 0), 0);
	assert_int_equal(journal_open(&j, d->fd, 400, true, see, &s, NULL),
	    -EINVAL);
	unlinkat(d->fd, "elsewhere", 0);
	j = open_journal(d, 400, &s);
	journal_close(j);
}

/* ------------------------------------------------- torn tails and damage */

static void
copy_file(int from, const char *name, int to, off_t len)
{
	char *p = malloc((size_t)len + 1);
	int fd = openat(from, name, O_RDONLY);

	assert_non_null(p);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, p, (size_t)len), len);
	close(fd);
	fd = openat(to, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, (size_t)len), len);
	close(fd);
	free(p);
}

/* What of the file's last bytes from at on isn't zeros up to its end. */
static uint64_t
torn_bytes(int dir, const char *name, uint64_t at)
{
	int fd = openat(dir, name, O_RDONLY);
	struct stat st;
	uint64_t used;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	used = (uint64_t)fault_used(fd, st.st_size);
	close(fd);
	return used > at ? used - at : 0;
}

static void
cuts_a_torn_tail_of_every_length(void **state)
{
	struct jdir *d = *state, torn;
	struct seen whole, s;
	struct journal_report report;
	struct journal *j = open_journal(d, SEG_BIG, &whole);
	off_t size;

	for (int i = 0; i < 10; i++)
		append(j, i * 3);
	assert_int_equal(journal_commit(j), 0);
	journal_close(j);
	journal_close(open_journal(d, SEG_BIG, &whole));
	size = file_size(d, FIRST_SEG);

	torn.fd = fault_dir(torn.path);
	for (off_t len = 0; len <= size; len++) {
		uint64_t keep = 0, torn_len;
		size_t count = 0;

		while (count + 1 < whole.count &&
		    (off_t)whole.pos[count + 1] <= len)
			keep = whole.pos[++count];
		if (len == size)
			keep = (uint64_t)size, count = whole.count;
		else if (count == 0 && len >= (off_t)whole.pos[0])
			keep = whole.pos[0];	/* the mark at 0 */
		copy_file(d->fd, FIRST_SEG, torn.fd, len);
		torn_len = torn_bytes(torn.fd, FIRST_SEG, keep);
		memset(&s, 0, sizeof(s));
		assert_int_equal(journal_open(&j, torn.fd, SEG_BIG, false,
		    see, &s, &report), 0);
		assert_int_equal(s.count, count);
		assert_int_equal(report.records, count);
		assert_int_equal(journal_end(j), keep);
		assert_int_equal(report.cut, torn_len);
		assert_false(report.damaged);
		commit_each(j, 1000, 1);
		journal_close(j);
		j = open_journal(&torn, SEG_BIG, &s);
		assert_int_equal(s.count, count + 1);
		assert_int_equal(s.n[count], 1000);
		journal_close(j);
	}
	fault_dir_remove(torn.fd, torn.path);
}

static int
ftruncate_seg(struct jdir *d, off_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", d->path, FIRST_SEG);
	return truncate(path, size);
}

static void
flip(int dir, const char *name, off_t at, int bit)
{
	int fd = openat(dir, name, O_RDWR);
	uint8_t b;

	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= (uint8_t)(1 << bit);
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

/*
 * To look at a journal gives what an open would give, before damage and
 * behind it, and changes no byte.
 */
static void
looking_finds_what_repair_keeps_and_changes_nothing(void **state)
{
	struct jdir *d = *state;
	struct seen seen, kept;
	struct journal_report rep, mended;
	struct journal *j = open_journal(d, SEG_BIG, &seen);
	uint64_t at[20];
	off_t size;

	for (int i = 0; i < 20; i++) {
		at[i] = append(j, i);
		assert_int_equal(journal_commit(j), 0);
		assert_int_equal(journal_sync(j), 0);
	}
	journal_close(j);
	size = file_size(d, FIRST_SEG);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(journal_look(d->fd, see, &seen, &rep), 0);
	assert_seen(&seen, 0, 20);
	assert_false(rep.damaged);
	assert_int_equal(rep.cut, 0);

	flip(d->fd, FIRST_SEG, (off_t)at[7] + 13, 2);
	assert_int_equal(ftruncate_seg(d, size - 5), 0);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(journal_look(d->fd, see, &seen, &rep), 0);
	assert_int_equal(seen.count, 18);
	assert_true(rep.damaged && rep.damaged_at == at[7]);
	assert_true(rep.lost > 0 && rep.cut > 0 && !rep.gone);
	assert_int_equal(file_size(d, FIRST_SEG), size - 5);
	memset(&kept, 0, sizeof(kept));
	assert_int_equal(journal_open(&j, d->fd, SEG_BIG, true, see, &kept,
	    &mended), 0);
	journal_close(j);
	assert_int_equal(kept.count, seen.count);
	assert_memory_equal(kept.n, seen.n, seen.count * sizeof(*seen.n));
	assert_int_equal(mended.damaged_at, rep.damaged_at);
}

/*
 * Ten records, synced, then three more behind their mark. For each byte: the
 * record that holds it is lost or, behind the mark, all from it on.
 */
static void
tells_damage_from_a_torn_tail(void **state)
{
	struct jdir *d = *state, hurt;
	struct seen whole, s;
	struct journal_report rep;
	struct journal *j = open_journal(d, SEG_BIG, &whole);
	uint64_t synced;
	off_t size;

	for (int i = 0; i < 10; i++)
		append(j, 4 * i + i % 2);
	assert_int_equal(journal_commit(j), 0);
	assert_int_equal(journal_sync(j), 0);
	synced = journal_end(j);
	commit_each(j, 50, 3);
	journal_close(j);
	journal_close(open_journal(d, SEG_BIG, &whole));
	assert_int_equal(whole.count, 13);
	assert_int_equal(whole.pos[10], synced + 24);
	size = file_size(d, FIRST_SEG);

	hurt.fd = fault_dir(hurt.path);
	for (off_t at = 0; at < size; at++) {
		size_t i = 0, len;
		uint64_t start, pos, torn;
		char body[128];

		copy_file(d->fd, FIRST_SEG, hurt.fd, size);
		flip(hurt.fd, FIRST_SEG, at, (int)(at % 8));
		while (i < 13 && (off_t)whole.pos[i] <= at)
			i++;
		/* Record i - 1 holds it, or a mark before record i. */
		start = i == 0 ? 0 : whole.pos[i - 1];
		len = i == 0 ? 8 : body_of(body, whole.n[i - 1]);
		if (i == 10 && (uint64_t)at >= synced) {
			start = synced;
			len = 8;
		}
		pos = start + 12 + len;
		torn = torn_bytes(hurt.fd, FIRST_SEG, start);
		memset(&s, 0, sizeof(s));
		if ((uint64_t)at >= pos) {	/* zeros that nobody reads */
			journal_close(open_journal(&hurt, SEG_BIG, &s));
			assert_int_equal(s.count, 13);
			continue;
		}
		if (start >= synced) {
			assert_int_equal(journal_open(&j, hurt.fd, SEG_BIG,
			    false, see, &s, &rep), 0);
			assert_int_equal(journal_end(j), start);
			assert_int_equal(rep.cut, torn);
			assert_false(rep.damaged);
			journal_close(j);
			continue;
		}
		assert_int_equal(journal_open(&j, hurt.fd, SEG_BIG, false,
		    see, &s, &rep), -EUCLEAN);
		assert_true(rep.damaged);
		assert_int_equal(rep.damaged_at, start);
		memset(&s, 0, sizeof(s));
		assert_int_equal(journal_open(&j, hurt.fd, SEG_BIG, true,
		    see, &s, &rep), 0);
		assert_true(rep.damaged);
		assert_false(s.bad);
		assert_int_equal(s.count, i == 0 ? 13 : 12);
		assert_int_equal(s.pos[11], whole.pos[i == 0 ? 11 : 12]);
		commit_each(j, 60, 1);
		journal_close(j);
		j = open_journal(&hurt, SEG_BIG, &s);
		assert_int_equal(s.count, i == 0 ? 14 : 13);
		journal_close(j);
		assert_int_equal(unlinkat(hurt.fd, FIRST_SEG ".damaged", 0), 0);
	}
	fault_dir_remove(hurt.fd, hurt.path);
}

static void
a_hole_before_good_unsynced_records_is_a_torn_tail(void **state)
{
	struct jdir *d = *state;
	struct seen s;
	struct journal *j = open_journal(d, SEG_BIG, &s);
	uint64_t pos;

	commit_each(j, 0, 4);
	pos = append(j, 4);
	assert_int_equal(journal_commit(j), 0);
	commit_each(j, 5, 20);
	journal_close(j);
	flip(d->fd, FIRST_SEG, (off_t)pos + 12, 3);
	j = open_journal(d, SEG_BIG, &s);
	assert_seen(&s, 0, 4);
	assert_int_equal(journal_end(j), pos);
	journal_close(j);
}

static char *
segment_of(struct jdir *d, uint64_t pos, char out[32])
{
	for (;; pos -= 8) {
		snprintf(out, 32, "%016" PRIx64, pos);
		if (faccessat(d->fd, out, F_OK, 0) == 0)
			return out;
		assert_true(pos >= 8);
	}
}

static void
make_segments(struct jdir *d, uint64_t pos[100])
{
	struct seen s;
	struct journal *j = open_journal(d, 400, &s);

	for (int i = 0; i < 100; i++) {
		pos[i] = append(j, i);
		assert_int_equal(journal_commit(j), 0);
	}
	journal_close(j);
}

static void
open_damaged(struct jdir *d, size_t keeps)
{
	struct journal_report rep;
	struct seen s = { 0 };
	struct journal *j;

	assert_int_equal(journal_open(&j, d->fd, 400, false, see, &s, &rep),
	    -EUCLEAN);
	assert_true(rep.damaged);
	memset(&s, 0, sizeof(s));
	assert_int_equal(journal_open(&j, d->fd, 400, true, see, &s, &rep), 0);
	assert_true(rep.damaged);
	assert_false(s.bad);
	assert_true(s.count >= keeps);
	assert_true(s.count < 100);
	assert_int_equal(s.n[s.count - 1], 99);
	assert_int_equal(rep.records, s.count);
	journal_close(j);
	j = open_journal(d, 400, &s);
	assert_int_equal(s.count, rep.records);
	for (size_t i = 0; i < s.count; i++)
		assert_reads(j, s.pos[i], s.n[i]);
	journal_close(j);
}

static void
damage_in_an_old_segment_is_never_a_torn_tail(void **state)
{
	struct jdir *d = *state;
	uint64_t pos[100];
	char name[32];

	make_segments(d, pos);
	segment_of(d, pos[50], name);
	assert_int_equal(unlinkat(d->fd, name, 0), 0);
	open_damaged(d, 85);
}

static void
a_shortened_old_segment_is_mended(void **state)
{
	struct jdir *d = *state;
	uint64_t pos[100];
	char name[32], path[128];

	make_segments(d, pos);
	segment_of(d, pos[50], name);
	snprintf(path, sizeof(path), "%s/%s", d->path, name);
	assert_int_equal(truncate(path, file_size(d, name) / 2 - 3), 0);
	open_damaged(d, 90);
}

static void
a_lengthened_old_segment_is_mended(void **state)
{
	struct jdir *d = *state;
	struct journal_report rep;
	struct seen s = { 0 };
	struct journal *j;
	uint64_t pos[100];
	char name[32];
	int fd;

	make_segments(d, pos);
	fd = openat(d->fd, segment_of(d, pos[50], name), O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "more", 4), 4);
	close(fd);
	assert_int_equal(journal_open(&j, d->fd, 400, false, see, &s, &rep),
	    -EUCLEAN);
	memset(&s, 0, sizeof(s));
	assert_int_equal(journal_open(&j, d->fd, 400, true, see, &s, &rep), 0);
	assert_seen(&s, 0, 100);
	journal_close(j);
	journal_close(open_journal(d, 400, &s));
}

/* ------------------------------------------------------ crash at each call */

/* What the dying child had been told, in memory that outlives it. */
struct told {
	struct jdir	*d;
	volatile int	 committed;
	volatile int	 synced;
	volatile int	 retired;
	bool		 cut;		/* death is a power cut */
};

static void
crash_prepare(void *arg)
{
	struct told *t = arg;

	fault_dir_remove(t->d->fd, t->d->path);
	t->d->fd = fault_dir(t->d->path);
	t->committed = t->synced = t->retired = 0;
	fault_note_syncs();
}

static int
crash_step(void *arg)
{
	struct told *t = arg;
	struct seen s = { 0 };
	struct journal *j = NULL;
	uint64_t pos[64];
	int rc;

	rc = journal_open(&j, t->d->fd, 300, false, see, &s, NULL);
	for (int i = 0; rc == 0 && i < 40; i++) {
		pos[i] = append(j, i);
		if (i % 3 != 0)
			continue;
		rc = journal_commit(j);
		if (rc == 0)
			t->committed = i + 1;
		if (rc == 0 && i % 2 == 0)
			rc = journal_sync(j);
		if (rc == 0 && i % 2 == 0)
			t->synced = i + 1;
		if (rc == 0 && i == 30) {
			t->retired = 10;
			rc = journal_retire(j, pos[10]);
		}
	}
	journal_close(j);
	return rc;
}

static void
crash_verify(void *arg, bool died)
{
	struct told *t = arg;
	struct journal_report rep;
	struct seen s = { 0 };
	struct journal *j;
	int first, last;

	if (died && t->cut)
		fault_cut(t->d->fd);
	assert_int_equal(journal_open(&j, t->d->fd, 300, false, see, &s,
	    &rep), 0);
	assert_false(s.bad);
	assert_false(rep.damaged);
	first = s.count == 0 ? 0 : s.n[0];
	last = first + (int)s.count;
	assert_true(first <= t->retired);
	assert_true(last >= (died && t->cut ? t->synced : t->committed));
	assert_seen(&s, first, s.count);
	commit_each(j, 500, 1);
	journal_close(j);
	journal_close(open_journal(t->d, 300, &s));
	assert_int_equal(s.n[s.count - 1], 500);
}

static void
survives_death_and_power_cut_at_every_call(void **state)
{
	struct told *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(t, MAP_FAILED);
	t->d = *state;
	fault_each(crash_prepare, crash_step, crash_verify, t);
	t->cut = true;
	fault_each(crash_prepare, crash_step, crash_verify, t);
	munmap(t, sizeof(*t));
}

/* Mending must be possible again after a death in the middle of it. */
static void
mend_prepare(void *arg)
{
	struct told *t = arg;
	uint64_t pos[100];
	char name[32];

	crash_prepare(arg);
	make_segments(t->d, pos);
	flip(t->d->fd, segment_of(t->d, pos[50], name), 40, 1);
}

static int
mend_step(void *arg)
{
	struct told *t = arg;
	struct seen s = { 0 };
	struct journal *j = NULL;
	int rc;

	rc = journal_open(&j, t->d->fd, 300, true, see, &s, NULL);
	journal_close(j);
	return rc;
}

static void
mend_verify(void *arg, bool died)
{
	struct told *t = arg;
	struct seen s = { 0 };
	struct journal *j;

	if (died) {
		assert_int_equal(mend_step(arg), 0);
	}
	assert_int_equal(journal_open(&j, t->d->fd, 300, false, see, &s,
	    NULL), 0);
	assert_int_equal(s.count, 99);
	journal_close(j);
}

static void
mends_after_death_in_mending(void **state)
{
	struct told t = { .d = *state };

	fault_each(mend_prepare, mend_step, mend_verify, &t);
}

/* Any call may fail once: nothing committed is lost, nothing appears twice. */
static void
survives_an_error_of_every_call(void **state)
{
	static const char *const calls[] = { "openat", "pwrite", "fdatasync",
	    "fsync", "unlinkat", "ftruncate", "fallocate" };
	struct told t = { .d = *state };

	for (size_t c = 0; c < AC_COUNTOF(calls); c++) {
		for (int nth = 1; nth < 30; nth++) {
			crash_prepare(&t);
			fault_fail(calls[c], nth, ENOSPC);
			(void)crash_step(&t);
			fault_none();
			crash_verify(&t, false);
		}
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_gives_the_known_values),
		cmocka_unit_test(crc32c_by_instruction_is_crc32c_by_table),
		T(gives_back_what_was_committed),
		T(forgets_what_was_not_committed),
		T(takes_bodies_from_nothing_to_the_limit),
		T(goes_on_in_new_segments_and_drops_old_ones),
		T(refuses_to_rotate_an_uncommitted_batch),
		T(ends_the_replay_when_told),
		T(syncs_in_halves),
		T(a_sync_outlives_the_segment_that_it_is_of),
		T(a_failed_sync_is_final),
		T(a_failed_sync_at_rotation_is_final),
		T(survives_short_writes),
		T(a_failed_commit_leaves_nothing),
		T(room_for_more_is_no_torn_tail),
		T(room_for_more_goes_with_its_owner),
		T(makes_room_for_small_batches_only),
		T(looking_at_a_live_journal_finds_no_damage),
		T(a_commit_that_can_not_be_cut_back_is_the_last),
		T(waits_for_room_on_a_full_disk),
		T(refuses_files_that_are_not_ours),
		T(cuts_a_torn_tail_of_every_length),
		T(looking_finds_what_repair_keeps_and_changes_nothing),
		T(tells_damage_from_a_torn_tail),
		T(a_hole_before_good_unsynced_records_is_a_torn_tail),
		T(damage_in_an_old_segment_is_never_a_torn_tail),
		T(a_shortened_old_segment_is_mended),
		T(a_lengthened_old_segment_is_mended),
		T(survives_death_and_power_cut_at_every_call),
		T(mends_after_death_in_mending),
		T(survives_an_error_of_every_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
