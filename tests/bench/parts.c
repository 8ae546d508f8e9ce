/*
 * parts.c - the parts by themselves: a message as a file, as a record, as JSON.
 *
 *	parts bare DIR N	write and rename, nothing else: the floor
 *	parts spool DIR N	staged, synced and published as the daemon does it
 *	parts nosync DIR N	the same without the sync
 *	parts journal DIR N	appended, 64 a commit; and synced
 *	parts wire N		a MSG parsed, and printed
 *	parts read DIR N	N files of DIR/new read, and moved to DIR/cur (and
 *				back): the floor
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "bench.h"
#include "spool/journal.h"
#include "spool/spool.h"
#include "wire/msg.h"

#define BATCH 64

static const char message[] =
    "{\"type\":\"MSG\",\"from\":\"@bb528772\",\"to\":\"#general\",\"content\":"
    "\"It is done: the tests are green, the figures are in the table, and "
    "what is left stands in the list. Who has time for the review?\","
    "\"ts\":1795476735131,\"from_name\":\"alice\",\"msg_id\":\"jpgz7ft6-1\","
    "\"seq\":1,\"id\":\"5f2c9a\",\"verified\":true}";

static int
subdir(int dir, const char *name)
{
	int fd;

	if (mkdirat(dir, name, 0700) == -1)
		err(1, "%s", name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd == -1)
		err(1, "%s", name);
	return fd;
}

static void
bare(int dir, int64_t count)
{
	int tmp = subdir(dir, "tmp"), new = subdir(dir, "new");
	int64_t begun = now_ns();
	char name[32];

	for (int64_t i = 0; i < count; i++) {
		int fd;

		snprintf(name, sizeof(name), "%09lld", (long long)i);
		fd = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd == -1 ||
		    write(fd, message, sizeof(message) - 1) == -1)
			err(1, "%s", name);
		close(fd);
		if (renameat(tmp, name, new, name) == -1)
			err(1, "%s", name);
	}
	say_rate("bare write and rename", count, begun);
	close(tmp);
	close(new);
}

static void
spool(const char *path, int64_t count, bool sync)
{
	char name[BATCH][SPOOL_NAME_MAX];
	struct spool_box *box;
	struct spool *sp;
	int64_t begun, at, done;
	int rc, n;

	rc = spool_open(&sp, AT_FDCWD, path, true);
	if (rc == 0)
		rc = spool_box(sp, "#bench", true, &box);
	if (rc < 0)
		errx(1, "%s: %s", path, strerror(-rc));
	begun = now_ns();
	for (at = 0, done = 0; done < count; done += n) {
		spool_glance(sp);
		for (n = 0; n < BATCH && at < count && rc == 0; n++, at++) {
			rc = spool_name(name[n], 1795476735131 + at,
			    (uint64_t)at + 1, "@bb528772");
			if (rc == 0)
				rc = spool_stage(box, name[n], message,
				    sizeof(message) - 1, NULL);
		}
		if (rc == 0 && sync)
			rc = spool_sync(sp);
		for (int i = 0; i < n && rc == 0; i++)
			rc = spool_publish(box, name[i], false);
		if (rc < 0)
			errx(1, "spool: %s", strerror(-rc));
	}
	say_rate(sync ? "spool delivery" : "spool delivery without sync",
	    count, begun);
	spool_close(sp);
}

static int
no_record(void *arg, uint8_t type, uint64_t pos, uint64_t end,
    const void *body, size_t len)
{
	(void)arg, (void)type, (void)pos, (void)end, (void)body, (void)len;
	return 0;
}

static void
append(struct journal *j, const char *what, int64_t count, bool sync)
{
	struct iovec iov = { (void *)(uintptr_t)message, sizeof(message) - 1 };
	int64_t begun = now_ns();
	int rc = 0;

	for (int64_t i = 0; i < count && rc == 0; i++) {
		if (journal_append(j, 6, &iov, 1) == 0)
			errx(1, "journal: no memory");
		if ((i + 1) % BATCH != 0 && i + 1 < count)
			continue;
		rc = journal_commit(j);
		if (rc == 0 && sync)
			rc = journal_sync(j);
	}
	if (rc < 0)
		errx(1, "journal: %s", strerror(-rc));
	say_rate(what, count, begun);
}

static void
journal(int dir, int64_t count)
{
	struct journal *j;
	int rc = journal_open(&j, dir, 64 << 20, false, no_record, NULL, NULL);

	if (rc < 0)
		errx(1, "journal: %s", strerror(-rc));
	append(j, "journal records", count, false);
	append(j, "journal records, synced", count, true);
	journal_close(j);
}

static void
print(struct buf *b, const struct wire_msg *m, int64_t i)
{
	buf_clear(b);
	wire_begin(b, WIRE_MSG);
	wire_puts(b, WF_FROM, "@bb528772");
	wire_put_str(b, WF_TO, m->f[WF_TO].s, m->f[WF_TO].len);
	wire_put_raw(b, WF_CONTENT, m->f[WF_CONTENT].raw,
	    m->f[WF_CONTENT].raw_len);
	wire_put_int(b, WF_TS, 1795476735131 + i);
	wire_puts(b, WF_FROM_NAME, "alice");
	wire_put_bool(b, WF_VERIFIED, true);
	wire_put_int(b, WF_SEQ, i);
	wire_end(b);
}

static void
wire(int64_t count)
{
	struct buf b = BUF_INIT;
	struct wire_msg m;
	int64_t begun = now_ns();

	wire_msg_init(&m);
	for (int64_t i = 0; i < count; i++)
		if (wire_parse(&m, message, sizeof(message) - 1,
		    WIRE_FROM_RELAY) < 0)
			errx(1, "wire: %s", m.why);
	say_rate("messages parsed", count, begun);
	begun = now_ns();
	for (int64_t i = 0; i < count; i++)
		print(&b, &m, i);
	if (buf_err(&b) < 0)
		errx(1, "wire: no memory");
	say_rate("messages printed", count, begun);
	wire_msg_fini(&m);
	buf_fini(&b);
}

/* What a reader can't do without; in an order, but without sorting. */
static void
read_all(int dir, int64_t count)
{
	int new = openat(dir, "new", O_RDONLY | O_DIRECTORY);
	int cur = openat(dir, "cur", O_RDONLY | O_DIRECTORY);
	char (*name)[256] = calloc((size_t)count, sizeof(*name));
	DIR *d = new != -1 ? fdopendir(dup(new)) : NULL;
	int64_t begun = now_ns(), n = 0;
	char text[65536];
	struct dirent *de;
	struct stat st;

	if (d == NULL || cur == -1 || name == NULL)
		err(1, "new, cur");
	while (n < count && (de = readdir(d)) != NULL)
		if (de->d_name[0] != '.')
			strcpy(name[n++], de->d_name);
	for (int64_t i = 0; i < n; i++) {
		int fd = openat(new, name[i], O_RDONLY | O_NOFOLLOW);

		if (fd == -1 || fstat(fd, &st) == -1 ||
		    read(fd, text, sizeof(text)) == -1)
			err(1, "%s", name[i]);
		close(fd);
	}
	say("bare open, read and close", (double)(now_ns() - begun) / 1e6,
	    "ms");
	begun = now_ns();
	for (int64_t i = 0; i < n; i++)
		if (renameat(new, name[i], cur, name[i]) == -1)
			err(1, "%s", name[i]);
	say("bare rename", (double)(now_ns() - begun) / 1e6, "ms");
	for (int64_t i = 0; i < n; i++)
		if (renameat(cur, name[i], new, name[i]) == -1)
			err(1, "%s", name[i]);
	closedir(d);
	close(new);
	close(cur);
	free(name);
}

int
main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";
	int64_t count = argc > 2 ? atoll(argv[argc - 1]) : 0;
	int dir = -1;

	if (count <= 0)
		errx(2, "parts bare|spool|nosync|journal|read DIR N, "
		    "parts wire N");
	if (strcmp(part, "wire") == 0) {
		wire(count);
		return 0;
	}
	if (argc == 4)
		dir = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (dir == -1)
		err(1, "%s", argv[2]);
	if (strcmp(part, "bare") == 0)
		bare(dir, count);
	else if (strcmp(part, "spool") == 0)
		spool(argv[2], count, true);
	else if (strcmp(part, "nosync") == 0)
		spool(argv[2], count, false);
	else if (strcmp(part, "journal") == 0)
		journal(dir, count);
	else if (strcmp(part, "read") == 0)
		read_all(dir, count);
	else
		errx(2, "parts: %s is no part", part);
	close(dir);
	return 0;
}
