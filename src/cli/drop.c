/*
 * drop.c - a file in out/, then its receipt.
 *
 * The file's name is ours alone, and the receipt has it in its own:
 * TARGET.NAME.QUEUE-ID.json in sent/, or in failed/ with a .reason beside it.
 */
#include "config.h"

#include "cli/drop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rnd.h"
#include "cli/eyes.h"
#include "spool/spool.h"

#define NAME_LEN	12	/* random characters of the file's name */
#define RECEIPT_MAX	(2 << 20)
#define REASON_WAIT_MS	1000	/* the reason is written beside the receipt */

struct receipt {
	struct inst	*in;
	char		 name[NAME_LEN + 8];	/* of the file in out/ */
	char		 file[NAME_MAX + 1];	/* of the receipt, once found */
};

/*
 * Find the receipt in sent/ or failed/: the newest 1000 are there. 1 and its
 * name; 0: not yet.
 */
static int
find_receipt(struct receipt *r, const char *dir, const char *suffix)
{
	size_t suffix_len = strlen(suffix);
	struct dirent *de;
	int fd, found = 0;
	DIR *d;

	if (spool_subdir(spool_dir(r->in->sp), dir, false, &fd) < 0)
		return 0;
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return 0;
	}
	while (!found && (de = readdir(d)) != NULL) {
		size_t len = strlen(de->d_name);

		found = strstr(de->d_name, r->name) != NULL &&
		    len > suffix_len && de->d_name[0] != '.' &&
		    strcmp(de->d_name + len - suffix_len, suffix) == 0;
		if (found)
			memcpy(r->file, de->d_name, len + 1);
	}
	closedir(d);
	return found;
}

static void
slurp(struct receipt *r, const char *dir, struct buf *out)
{
	int fd;

	if (spool_subdir(spool_dir(r->in->sp), dir, false, &fd) < 0)
		return;
	(void)!spool_slurp(fd, r->file, RECEIPT_MAX, out);
	close(fd);
}

static int
refused(struct receipt *r, const struct cmd *cmd, const char *target)
{
	struct buf why = BUF_INIT;
	int code;

	slurp(r, "failed", &why);
	while (why.len > 0 && why.p[why.len - 1] == '\n')
		why.p[--why.len] = '\0';
	code = cmd_fail(cmd, EXIT_REFUSED, "%s: %s", target,
	    why.len > 0 ? why.p : "refused");
	buf_fini(&why);
	return code;
}

static int
too_late(struct receipt *r, const struct cmd *cmd)
{
	struct inst_view view;

	inst_view(r->in, &view);
	if (strcmp(view.state, "connected") == 0)
		return cmd_fail(cmd, EXIT_TIMEOUT, "no receipt yet: the "
		    "message stays queued and will be sent");
	return cmd_fail(cmd, EXIT_TIMEOUT, "the daemon is %s%s%s: the message "
	    "stays queued and will be sent",
	    *view.state != '\0' ? view.state : "not connected",
	    *view.error != '\0' ? ", " : "", view.error);
}

static int
await(struct receipt *r, struct eyes *eyes, const struct cmd *cmd,
    const char *target, int64_t timeout_ms, struct buf *out)
{
	int64_t deadline = clock_mono_ms() + timeout_ms, bare_at = 0;

	for (;;) {
		int64_t now;

		if (find_receipt(r, "sent", ".json")) {
			slurp(r, "sent", out);
			return EXIT_OK;
		}
		if (find_receipt(r, "failed", ".reason"))
			return refused(r, cmd, target);
		now = clock_mono_ms();
		if (bare_at == 0 && find_receipt(r, "failed", ".json"))
			bare_at = now;
		if (bare_at != 0 && now - bare_at >= REASON_WAIT_MS)
			return refused(r, cmd, target);
		if (now >= deadline)
			return too_late(r, cmd);
		eyes_wait(eyes, deadline - now);
	}
}

/*
 * We made the directory, and it leads nowhere: take it away again, as rm -r
 * would. out/ goes first: from then on the daemon lets the box be.
 */
static void
take_back(struct inst *in, struct spool_box *box)
{
	static const char *const dirs[] = { "out", "new", "cur", "tmp" };
	static const char *const files[] = { ".error", "agents",
	    "inbox.jsonl" };
	int dir = spool_box_dir(box);

	for (size_t i = 0; i < AC_COUNTOF(dirs); i++)
		if (unlinkat(dir, dirs[i], AT_REMOVEDIR) == -1)
			return;	/* something came after all: keep it */
	for (size_t i = 0; i < AC_COUNTOF(files); i++)
		(void)unlinkat(dir, files[i], 0);
	(void)unlinkat(spool_dir(in->sp), spool_box_name(box), AT_REMOVEDIR);
}

int
drop_send(struct inst *in, const struct cmd *cmd, const char *target,
    const struct buf *text, int64_t timeout_ms, struct buf *receipt)
{
	struct receipt r = { .in = in };
	struct eyes *eyes = NULL;
	struct spool_box *box;
	char tail[NAME_LEN + 1];
	bool made;
	int rc, code;

	rnd_name(tail, NAME_LEN);
	snprintf(r.name, sizeof(r.name), "send-%s", tail);
	rc = buf_err(text);
	if (rc == 0)
		rc = spool_box(in->sp, target, false, &box);
	made = rc == -ENOENT;
	if (made)
		rc = spool_box(in->sp, target, true, &box);
	/* Watch first: the receipt may come before we look. */
	if (rc == 0 && timeout_ms >= 0)
		rc = eyes_open(&eyes, in, SPOOL_HINT_RECEIPT);
	if (rc == 0)
		rc = spool_replace(spool_box_sub(box, SPOOL_OUT), r.name,
		    text->p, text->len, false);
	if (rc < 0)
		code = cmd_fail(cmd, cmd_code(rc), "%s: %s", target,
		    ac_strerror(rc));
	else if (timeout_ms < 0)
		code = EXIT_OK;
	else
		code = await(&r, eyes, cmd, target, timeout_ms, receipt);
	if (code == EXIT_REFUSED && made)
		take_back(in, box);
	eyes_close(eyes);
	return code;
}
