/*
 * here.c - where a command was started, if that is inside a spool.
 *
 * An agent works in its instance: `cd .agentchat/daemons/alice` and then
 * `agentchat read`. Taken literally that would look for ./.agentchat there.
 */
#include "config.h"

#include "cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT		".agentchat"
#define DAEMONS		"daemons/"

static bool
is_set(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0';
}

/* The end of the last path component that is a root; NULL if there is none. */
static char *
root_in(char *path)
{
	const size_t len = sizeof(ROOT) - 1;
	char *found = NULL;

	for (char *p = path; (p = strstr(p, "/" ROOT)) != NULL; p++)
		if (p[1 + len] == '\0' || p[1 + len] == '/')
			found = p + 1 + len;
	return found;
}

void
cmd_line_here(struct cmd_line *cl)
{
	char *end;

	if (cl->dir != NULL || is_set("AGENTCHAT_DIR") ||
	    access(ROOT, F_OK) == 0)
		return;
	if (getcwd(cl->here, sizeof(cl->here)) == NULL)
		return;		/* ./.agentchat then, as ever */
	end = root_in(cl->here);
	if (end == NULL)
		return;
	cl->dir = cl->here;
	if (*end == '\0')
		return;
	*end++ = '\0';
	if (cl->instance != NULL || is_set("AGENTCHAT_INSTANCE") ||
	    strncmp(end, DAEMONS, sizeof(DAEMONS) - 1) != 0)
		return;
	end += sizeof(DAEMONS) - 1;
	end[strcspn(end, "/")] = '\0';
	if (*end != '\0')
		cl->instance = end;
}
