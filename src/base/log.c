/*
 * log.c - one JSON object per line on standard error.
 */
#include "config.h"

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

/*
 * ASCII only, so that a terminal showing the log can't be driven by what a
 * peer sent: everything else is an escape, each byte for itself.
 */
static void
add_escaped(struct buf *b, const char *s)
{
	buf_addc(b, '"');
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			buf_addf(b, "\\u%04x", c);
		else
			buf_addc(b, (char)c);
	}
	buf_addc(b, '"');
}

static void
log_line(const char *level, const char *event, va_list ap)
{
	struct buf b = BUF_INIT;
	char now[CLOCK_ISO_MAX];
	const char *key, *value;
	size_t at = 0;

	clock_iso(clock_wall_ms(), now);
	buf_addf(&b, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":", now, level);
	add_escaped(&b, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		buf_addc(&b, ',');
		add_escaped(&b, key);
		buf_addc(&b, ':');
		if (value != NULL)
			add_escaped(&b, value);
		else
			buf_adds(&b, "null");
	}
	buf_adds(&b, "}\n");
	/* One write a line, so that lines of two processes don't mix. */
	while (buf_err(&b) == 0 && at < b.len) {
		ssize_t n = write(STDERR_FILENO, b.p + at, b.len - at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;	/* nobody left to tell */
		at += (size_t)n;
	}
	buf_fini(&b);
}

#define LOG_LEVEL(name) \
	void \
	log_##name(const char *event, ...) \
	{ \
		int saved = errno; \
		va_list ap; \
\
		va_start(ap, event); \
		log_line(#name, event, ap); \
		va_end(ap); \
		errno = saved; \
	}

LOG_LEVEL(info)
LOG_LEVEL(warn)
LOG_LEVEL(error)

const char *
log_num(char out[LOG_NUM_MAX], long long n)
{
	snprintf(out, LOG_NUM_MAX, "%lld", n);
	return out;
}
