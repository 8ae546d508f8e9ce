/*
 * line.c - a line of outbox.jsonl, whose id is in the receipt that the daemon
 * puts down for it.
 */
#include "config.h"

#include "cli/line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "cli/eyes.h"
#include "spool/spool.h"

#define RECEIPT_MAX	(2 << 20)
#define SLACK_S		2	/* of clocks, in the time of a file */

struct sent_line {
	struct inst	*in;
	struct buf	 key;		/* "id":"..." */
	time_t		 since;
};

/* Append the file of dir that has our id. 1: found, and its name. */
static int
find_file(const struct sent_line *l, const char *dir, struct buf *out,
    char name[NAME_MAX + 1])
{
	struct dirent *de;
	int fd, found = 0;
	struct stat st;
	DIR *d;

	if (spool_subdir(spool_dir(l->in->sp), dir, false, &fd) < 0)
		return 0;
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return 0;
	}
	while (!found && (de = readdir(d)) != NULL) {
		if (strstr(de->d_name, ".outbox.") == NULL ||
		    fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    st.st_mtime < l->since)
			continue;
		buf_clear(out);
		found = spool_slurp(fd, de->d_name, RECEIPT_MAX, out) == 0 &&
		    out->len > 0 && memmem(out->p, out->len, l->key.p,
		    l->key.len) != NULL;
		memcpy(name, de->d_name, strlen(de->d_name) + 1);
	}
	closedir(d);
	if (!found)
		buf_clear(out);
	return found;
}

/* 1: its reason is there too, which is written after it; 0: not yet. */
static int
read_reason(const struct sent_line *l, const char *name, struct buf *why)
{
	char reason[NAME_MAX + 8];
	int fd, rc;

	snprintf(reason, sizeof(reason), "%s.reason", name);
	if (spool_subdir(spool_dir(l->in->sp), "failed", false, &fd) < 0)
		return 0;
	rc = spool_slurp(fd, reason, RECEIPT_MAX, why);
	close(fd);
	while (why->len > 0 && why->p[why->len - 1] == '\n')
		why->p[--why->len] = '\0';
	return rc == 0 && why->len > 0;
}

static int
await(const struct sent_line *l, const struct cmd *cmd, struct eyes *eyes,
    int64_t timeout_ms, struct buf *out)
{
	int64_t deadline = clock_mono_ms() + timeout_ms, now;
	struct buf why = BUF_INIT;
	char name[NAME_MAX + 1];
	int code = -1;

	while (code < 0) {
		if (find_file(l, "sent", out, name)) {
			code = EXIT_OK;
			break;
		}
		buf_clear(&why);
		if (find_file(l, "failed", out, name) &&
		    read_reason(l, name, &why)) {
			code = cmd_fail(cmd, EXIT_REFUSED, "%s", why.p);
			break;
		}
		now = clock_mono_ms();
		if (now >= deadline)
			code = cmd_fail(cmd, EXIT_TIMEOUT, "no answer yet: it "
			    "stays queued and will be sent");
		else
			eyes_wait(eyes, deadline - now);
	}
	buf_fini(&why);
	return code;
}

/* One write: lines of several writers don't mix. */
static int
append_outbox(struct inst *in, const struct buf *line)
{
	int fd = openat(spool_dir(in->sp), "outbox.jsonl", O_WRONLY |
	    O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;
	struct iovec iov[2] = { { line->p, line->len }, { (char *)"\n", 1 } };
	ssize_t n;

	if (fd == -1)
		return -errno;
	n = writev(fd, iov, 2);
	if (n == -1)
		rc = -errno;
	else if ((size_t)n != line->len + 1)
		rc = -ENOSPC;
	if (close(fd) == -1 && rc == 0)
		rc = -errno;
	return rc;
}

void
line_begin(struct buf *b, enum wire_type type, char id[LINE_ID_MAX])
{
	rnd_name(id, LINE_ID_MAX - 1);
	wire_begin(b, type);
	wire_puts(b, WF_ID, id);
}

int
line_send(struct inst *in, const struct cmd *cmd, const struct buf *line,
    const char *id, int64_t timeout_ms, struct buf *receipt)
{
	struct sent_line l = { .in = in, .key = BUF_INIT,
	    .since = time(NULL) - SLACK_S };
	struct eyes *eyes = NULL;
	int rc, code = EXIT_OK;

	buf_adds(&l.key, "\"id\":");
	wire_json_str(&l.key, id, strlen(id));
	rc = buf_err(&l.key) < 0 ? buf_err(&l.key) : buf_err(line);
	/* Watch first: the receipt may come before we look. */
	if (rc == 0 && timeout_ms >= 0)
		rc = eyes_open(&eyes, in, SPOOL_HINT_RECEIPT);
	if (rc == 0)
		rc = append_outbox(in, line);
	if (rc < 0)
		code = cmd_fail(cmd, cmd_code(rc), "outbox.jsonl: %s",
		    ac_strerror(rc));
	else if (timeout_ms >= 0)
		code = await(&l, cmd, eyes, timeout_ms, receipt);
	eyes_close(eyes);
	buf_fini(&l.key);
	return code;
}

int
line_run(const struct cmd_line *cl, const struct buf *line, const char *id)
{
	struct buf receipt = BUF_INIT;
	struct inst in;
	int code = inst_open(&in, cl, true);

	if (code == EXIT_OK)
		code = line_send(&in, cl->cmd, line, id, cl->timeout_ms >= 0 ?
		    cl->timeout_ms : LINE_MS, &receipt);
	inst_close(&in);
	buf_fini(&receipt);
	return code;
}

int
line_join(struct inst *in, const struct cmd *cmd, const char *channel,
    int64_t timeout_ms)
{
	struct buf line = BUF_INIT, receipt = BUF_INIT;
	char id[LINE_ID_MAX];
	int code;

	line_begin(&line, WIRE_JOIN, id);
	wire_puts(&line, WF_CHANNEL, channel);
	wire_end(&line);
	code = line_send(in, cmd, &line, id, timeout_ms, &receipt);
	buf_fini(&line);
	buf_fini(&receipt);
	return code;
}
