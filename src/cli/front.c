/*
 * front.c - the program as it is called: what takes files alone is done
 * here, anything else by another program, which takes our place: that of the
 * two that stay (resident.c), or the whole one (main.c).
 *
 * A relay's TLS, event loops and terminal are seventeen shared libraries, and
 * to load and link them takes three times as long as to drop a file in a
 * directory. What agents do all day long, and the daemon answers through
 * files, is linked a second time without them.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/cmd.h"
#include "cli/letter.h"
#include "cli/out.h"

extern const struct cmd cmd_read, cmd_reply, cmd_send, cmd_status, cmd_wait;

static const struct cmd *const table[] = {
	&cmd_read, &cmd_reply, &cmd_send, &cmd_status, &cmd_wait
};

static char **line;	/* as it was given to us; getopt sorts its own */

/* Our own file, without links; as we were called where there's no /proc. */
static int
self(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);

	if (n == -1)
		n = snprintf(path, size, "%s", line[0] != NULL ? line[0] : "");
	if (n <= 0 || (size_t)n >= size - 1)
		return -ENAMETOOLONG;
	path[n] = '\0';
	return strchr(path, '/') != NULL ? 0 : -ENOENT;
}

/*
 * Where is the other program? Installed, beside us however deep below a
 * DESTDIR that is; in a build tree, where that makes it.
 */
static int
find_other(const char *name, char *path, size_t size)
{
	static const char here[] = BINDIR "/agentchat";
	char me[PATH_MAX];
	size_t len;
	int rc = self(me, sizeof(me)), n;

	if (rc < 0)
		return rc;
	len = strlen(me);
	if (len >= sizeof(here) - 1 &&
	    strcmp(me + len - (sizeof(here) - 1), here) == 0)
		n = snprintf(path, size, "%.*s" PKGLIBEXECDIR "/%s",
		    (int)(len - (sizeof(here) - 1)), me, name);
	else
		n = snprintf(path, size, "%.*s/src/cli/%s",
		    (int)(strrchr(me, '/') - me), me, name);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int
run_other(const char *name)
{
	char path[PATH_MAX];
	int rc = find_other(name, path, sizeof(path));

	if (rc == 0) {
		execv(path, line);
		rc = -errno;
	}
	if (rc == -ENOENT) {
		snprintf(path, sizeof(path), PKGLIBEXECDIR "/%s", name);
		execv(path, line);
		rc = -errno;
	}
	fprintf(stderr, "agentchat: the rest of the program, "
	    PKGLIBEXECDIR "/%s: %s: install it again, whole\n", name,
	    ac_strerror(rc));
	return EXIT_FAILED;
}

/* In the whole program, this is what letter.h says. */
int
send_remote(const struct cmd_line *cl, struct letter *l)
{
	(void)cl;
	(void)l;
	return run_other("agentchat");
}

int
main(int argc, char **argv)
{
	line = calloc((size_t)argc + 1, sizeof(*line));
	if (line == NULL) {
		fprintf(stderr, "agentchat: %s\n", ac_strerror(-ENOMEM));
		return EXIT_TRY_AGAIN;
	}
	memcpy(line, argv, (size_t)argc * sizeof(*line));
	for (size_t i = 0; argc > 1 && i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(table[i]->name, argv[1]) == 0)
			return out_init() == -1 ? EXIT_FAILED :
			    table[i]->run(table[i], argc - 1, argv + 1);
	if (argc > 1 && (strcmp(argv[1], "daemon") == 0 ||
	    strcmp(argv[1], "serve") == 0))
		return run_other("agentchatd");
	return run_other("agentchat");
}
