/*
 * out.c - standard output.
 */
#include "config.h"

#include "cli/out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"

/*
 * Started with standard descriptors closed, the next file opened would be
 * taken for standard output. /dev/null stands in.
 */
int
out_init(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd == -1)
			return -1;
	} while (fd <= STDERR_FILENO);
	/* A closed pipe is an error of write(), handled where it is told. */
	signal(SIGPIPE, SIG_IGN);
	return close(fd);
}

static int
write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			/* Somebody made our terminal or pipe non-blocking. */
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			(void)poll(&pfd, 1, -1);
			continue;
		}
		if (n == -1)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
out_put(struct buf *b)
{
	int rc = buf_err(b);

	if (rc == 0 && b->len > 0)
		rc = write_all(STDOUT_FILENO, b->p, b->len);
	buf_clear(b);
	if (rc == 0)
		return EXIT_OK;
	if (rc != -EPIPE)
		fprintf(stderr, "agentchat: standard output: %s\n",
		    strerror(-rc));
	return EXIT_FAILED;
}

bool
out_is_terminal(void)
{
	return isatty(STDOUT_FILENO) == 1;
}

bool
out_has_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (no != NULL && *no != '\0')
		return false;
	return term != NULL && *term != '\0' && strcmp(term, "dumb") != 0 &&
	    out_is_terminal();
}

/* Decode one character; 0 bytes if what stands there is no UTF-8. */
static size_t
decode(const char *s, size_t len, uint32_t *out)
{
	const unsigned char *u = (const unsigned char *)s;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n;
	uint32_t c;

	if (u[0] < 0x80) {
		*out = u[0];
		return 1;
	}
	n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4 || n > len)
		return 0;
	c = u[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return n;
}

/*
 * Would the character do something other than be seen? Controls drive the
 * terminal; the others reorder, break or hide text, so that what a person
 * reads is not what was sent.
 */
static bool
is_active(uint32_t c)
{
	static const struct { uint32_t from, to; } ranges[] = {
		{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x00ad, 0x00ad },
		{ 0x034f, 0x034f }, { 0x061c, 0x061c }, { 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 },
		{ 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb },
		{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff }
	};

	for (size_t i = 0; i < AC_COUNTOF(ranges); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

/* How much of it is plain ASCII: most, as a rule, and all of that is seen. */
static size_t
plain_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= 0x20 && s[n] < 0x7f)
		n++;
	return n;
}

void
out_text(struct buf *b, const char *s, size_t len)
{
	while (len > 0) {
		uint32_t c;
		size_t n = plain_len(s, len);

		if (n > 0) {
			buf_add(b, s, n);
			s += n;
			len -= n;
			continue;
		}
		n = decode(s, len, &c);
		if (n == 0) {
			buf_addf(b, "\\x%02x", (unsigned char)*s);
			n = 1;
		} else if (!is_active(c))
			buf_add(b, s, n);
		else if (c == '\n')
			buf_adds(b, "\\n");
		else if (c == '\t')
			buf_adds(b, "\\t");
		else if (c < 0x100)
			buf_addf(b, "\\x%02x", c);
		else if (c < 0x10000)
			buf_addf(b, "\\u%04x", c);
		else
			buf_addf(b, "\\U%08x", c);
		s += n;
		len -= n;
	}
}

size_t
out_width(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

void
out_cell(struct buf *b, const char *s, size_t width)
{
	size_t at = b->len, w;

	out_text(b, s, strlen(s));
	w = b->len > at ? out_width(b->p + at, b->len - at) : 0;
	for (; w < width; w++)
		buf_addc(b, ' ');
}
