/*
 * drop.c - a file in out/, then its receipt.
 */
#include "config.h"

#include "cli/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rnd.h"
#include "cli/answer.h"
#include "spool/spool.h"

#define NAME_LEN	12	/* random characters of the file's name */

/* The file's name is ours alone, and in that of the receipt. */
static bool
is_receipt(const void *name, int dir, const char *receipt)
{
	(void)dir;
	return strstr(receipt, name) != NULL;
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
	char tail[NAME_LEN + 1], name[NAME_LEN + 8];
	struct answer a = { .in = in, .cmd = cmd, .what = target,
	    .is = is_receipt, .arg = name };
	struct spool_box *box;
	bool made;
	int rc, code;

	rnd_name(tail, NAME_LEN);
	snprintf(name, sizeof(name), "send-%s", tail);
	rc = buf_err(text);
	if (rc == 0)
		rc = spool_box(in->sp, target, false, &box);
	made = rc == -ENOENT;
	if (made)
		rc = spool_box(in->sp, target, true, &box);
	/* Watch first: the receipt may come before we look. */
	if (rc == 0 && timeout_ms >= 0)
		rc = eyes_open(&a.eyes, in, SPOOL_HINT_RECEIPT);
	if (rc == 0)
		rc = spool_replace(spool_box_sub(box, SPOOL_OUT), name,
		    text->p, text->len, false);
	if (rc < 0)
		code = cmd_fail(cmd, cmd_code(rc), "%s: %s", target,
		    ac_strerror(rc));
	else if (timeout_ms < 0)
		code = EXIT_OK;
	else
		code = answer_await(&a, timeout_ms, receipt);
	if (code == EXIT_REFUSED && made)
		take_back(in, box);
	eyes_close(a.eyes);
	return code;
}
