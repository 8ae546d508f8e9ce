/*
 * line.c - a line of outbox.jsonl, whose id is in the receipt that the daemon
 * puts down for it.
 */
#include "config.h"

#include "cli/line.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rnd.h"
#include "cli/answer.h"
#include "spool/spool.h"

#define SLACK_S		2	/* of clocks, in the time of a file */

struct sent_line {
	struct buf	 key;		/* "id":"..." */
	time_t		 since;
};

/* A file that is new enough, and has our id in it. */
static bool
is_receipt(const void *arg, int dir, const char *name)
{
	const struct sent_line *l = arg;
	struct buf text = BUF_INIT;
	struct stat st;
	bool found;

	if (strstr(name, ".outbox.") == NULL ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    st.st_mtime < l->since)
		return false;
	found = answer_slurp(dir, name, &text) == 0 && text.len > 0 &&
	    memmem(text.p, text.len, l->key.p, l->key.len) != NULL;
	buf_fini(&text);
	return found;
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
	struct sent_line l = { .key = BUF_INIT,
	    .since = time(NULL) - SLACK_S };
	struct answer a = { .in = in, .cmd = cmd, .is = is_receipt,
	    .arg = &l };
	int rc, code = EXIT_OK;

	buf_adds(&l.key, "\"id\":");
	wire_json_str(&l.key, id, strlen(id));
	rc = buf_err(&l.key) < 0 ? buf_err(&l.key) : buf_err(line);
	/* Watch first: the receipt may come before we look. */
	if (rc == 0 && timeout_ms >= 0)
		rc = eyes_open(&a.eyes, in, SPOOL_HINT_RECEIPT);
	if (rc == 0)
		rc = append_outbox(in, line);
	if (rc < 0)
		code = cmd_fail(cmd, cmd_code(rc), "outbox.jsonl: %s",
		    ac_strerror(rc));
	else if (timeout_ms >= 0)
		code = answer_await(&a, timeout_ms, receipt);
	eyes_close(a.eyes);
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
