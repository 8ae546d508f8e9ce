/*
 * say.c - words for people on standard error, and exit codes.
 */
#include "config.h"

#include "cli/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "cli/out.h"

static void
say(const struct cmd *cmd, const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT;
	char text[2048];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	/* A reason may come from the relay: it must not drive the terminal. */
	out_text(&b, text, (size_t)n);
	fprintf(stderr, "agentchat %s: %s\n", cmd->name,
	    buf_err(&b) == 0 && b.p != NULL ? b.p : "out of memory");
	buf_fini(&b);
}

int
cmd_fail(const struct cmd *cmd, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(cmd, fmt, ap);
	va_end(ap);
	return code;
}

int
cmd_usage(const struct cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(cmd, fmt, ap);
	va_end(ap);
	fprintf(stderr, "Usage: agentchat %s%s%s%s\n"
	    "See 'agentchat help %s'.\n", cmd->name,
	    cmd->opts != NULL ? " [options]" : "",
	    *cmd->args != '\0' ? " " : "", cmd->args, cmd->name);
	return EXIT_USAGE;
}

void
cmd_say(const struct cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(cmd, fmt, ap);
	va_end(ap);
}

int
cmd_code(int rc)
{
	if (rc == 0)
		return EXIT_OK;
	if (ac_errword(rc) != NULL)
		return EXIT_REFUSED;
	switch (-rc) {
	case ENOENT:
	case ESRCH:
		return EXIT_NOT_FOUND;
	case ETIMEDOUT:
		return EXIT_TIMEOUT;
	case EAGAIN:
	case EBUSY:
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case ENOTCONN:
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRINUSE:
		return EXIT_TRY_AGAIN;
	default:
		return EXIT_FAILED;
	}
}
