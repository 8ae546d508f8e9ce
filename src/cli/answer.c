/*
 * answer.c - what the daemon put down about something that it was given: a
 * receipt in sent/, or in failed/ with a .reason beside it that is written
 * after it. The newest 1000 are there.
 */
#include "config.h"

#include "cli/answer.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/spool.h"

#define RECEIPT_MAX	(2 << 20)
#define REASON_WAIT_MS	1000

int
answer_slurp(int dir, const char *name, struct buf *out)
{
	return spool_slurp(dir, name, RECEIPT_MAX, out);
}

static bool
is_receipt(const char *name)
{
	static const char suffix[] = ".json";
	size_t len = strlen(name);

	return name[0] != '.' && len >= sizeof(suffix) &&
	    strcmp(name + len - (sizeof(suffix) - 1), suffix) == 0;
}

/* Append it, or the file beside it; true if there is anything to append. */
static bool
find(const struct answer *a, const char *where, const char *beside,
    struct buf *out, bool *found)
{
	char name[NAME_MAX + 16];
	struct dirent *de;
	size_t len = out->len;
	int fd;
	DIR *d;

	*found = false;
	if (spool_subdir(spool_dir(a->in->sp), where, false, &fd) < 0)
		return false;
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return false;
	}
	while (!*found && (de = readdir(d)) != NULL)
		if (is_receipt(de->d_name) && a->is(a->arg, fd, de->d_name)) {
			*found = true;
			snprintf(name, sizeof(name), "%s%s", de->d_name,
			    beside);
			(void)!answer_slurp(fd, name, out);
		}
	closedir(d);
	return out->len > len;
}

static int
refused(const struct answer *a, struct buf *why)
{
	while (why->len > 0 && why->p[why->len - 1] == '\n')
		why->p[--why->len] = '\0';
	return cmd_fail(a->cmd, EXIT_REFUSED, "%s%s%s",
	    a->what != NULL ? a->what : "", a->what != NULL ? ": " : "",
	    why->len > 0 ? why->p : "refused");
}

static int
too_late(const struct answer *a)
{
	struct inst_view view;

	inst_view(a->in, &view);
	if (strcmp(view.state, "connected") == 0)
		return cmd_fail(a->cmd, EXIT_TIMEOUT, "no answer yet: it "
		    "stays queued and will be sent");
	return cmd_fail(a->cmd, EXIT_TIMEOUT, "the daemon is %s%s%s: it stays "
	    "queued and will be sent",
	    *view.state != '\0' ? view.state : "not connected",
	    *view.error != '\0' ? ", " : "", view.error);
}

int
answer_await(const struct answer *a, int64_t timeout_ms, struct buf *receipt)
{
	int64_t now = clock_mono_ms(), deadline = now + timeout_ms;
	struct buf why = BUF_INIT;
	bool found, bare = false;
	int code;

	for (;; now = clock_mono_ms()) {
		if (find(a, "sent", "", receipt, &found)) {
			code = EXIT_OK;
			break;
		}
		if (find(a, "failed", ".reason", &why, &found) ||
		    (bare && now >= deadline)) {
			code = refused(a, &why);
			break;
		}
		if (found && !bare) {
			bare = true;
			deadline = now + REASON_WAIT_MS;
		}
		if (now >= deadline) {
			code = too_late(a);
			break;
		}
		eyes_wait(a->eyes, deadline - now);
	}
	buf_fini(&why);
	return code;
}
