/*
 * cursor.c - resume positions, in memory and as text.
 */
#include "config.h"

#include "daemon/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/crc32c.h"

#define HEADER "agentchat-cursor 2\n"
#define HEADER_1 "agentchat-cursor 1\n"
#define END "end "
#define LINE_MAX_ 512
#define SEQ_MAX (UINT64_C(1) << 53)

void
cursor_init(struct cursor *c)
{
	memset(c, 0, sizeof(*c));
	map_init(&c->channels);
}

void
cursor_fini(struct cursor *c)
{
	struct cursor_pos *p;
	size_t at = 0;

	while ((p = map_next(&c->channels, &at)) != NULL)
		free(p);
	map_fini(&c->channels);
}

const struct cursor_pos *
cursor_get(const struct cursor *c, const char *name)
{
	return map_get(&c->channels, name, strlen(name));
}

bool
cursor_epoch_ok(const char *epoch)
{
	size_t len = strlen(epoch);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)epoch[i] <= ' ' ||
		    (unsigned char)epoch[i] >= 0x7f)
			return false;
	return len < CURSOR_EPOCH_MAX && strcmp(epoch, "-") != 0;
}

static int
set_pos(struct cursor_pos *p, const char *epoch, uint64_t seq)
{
	if (!cursor_epoch_ok(epoch) || seq > SEQ_MAX)
		return -EINVAL;
	snprintf(p->epoch, sizeof(p->epoch), "%s", epoch);
	p->seq = seq;
	p->changed = true;
	return 0;
}

int
cursor_set(struct cursor *c, const char *name, const char *epoch, uint64_t seq)
{
	size_t len = strlen(name);
	struct cursor_pos *p = map_get(&c->channels, name, len);
	int rc;

	if (p != NULL)
		return set_pos(p, epoch, seq);
	if (len == 0 || len >= CURSOR_NAME_MAX)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	memcpy(p->name, name, len + 1);
	rc = set_pos(p, epoch, seq);
	if (rc == 0)
		rc = map_put(&c->channels, p->name, len, p);
	if (rc < 0)
		free(p);
	return rc;
}

int
cursor_set_mailbox(struct cursor *c, const char *epoch, uint64_t seq)
{
	return set_pos(&c->mailbox, epoch, seq);
}

void
cursor_forget(struct cursor *c, const char *name)
{
	free(map_del(&c->channels, name, strlen(name)));
	c->renew = true;
}

static void
print_pos(struct cursor_pos *p, struct buf *out)
{
	if (*p->name != '\0')
		buf_addf(out, "channel %s ", p->name);
	else
		buf_adds(out, "mailbox ");
	buf_addf(out, "%" PRIu64 " %s\n", p->seq,
	    *p->epoch != '\0' ? p->epoch : "-");
	p->changed = false;
}

bool
cursor_print(struct cursor *c, bool all, struct buf *out)
{
	struct cursor_pos *p;
	size_t at = 0, begin;

	all = all || c->renew;
	if (all)
		buf_adds(out, HEADER);
	begin = out->len;
	if (all || c->local != c->local_printed)
		buf_addf(out, "local %" PRIu64 "\n", c->local);
	if (all || c->mailbox.changed)
		print_pos(&c->mailbox, out);
	while ((p = map_next(&c->channels, &at)) != NULL)
		if (all || p->changed)
			print_pos(p, out);
	if (out->len > begin)
		buf_addf(out, END "%08" PRIx32 "\n",
		    crc32c(0, out->p + begin, out->len - begin));
	c->local_printed = c->local;
	c->renew = false;
	return all;
}

static int
parse_seq(const char *s, uint64_t *seq)
{
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*seq = strtoull(s, &end, 10);
	return errno != 0 || *end != '\0' || *seq > SEQ_MAX ? -EINVAL : 0;
}

/* One line, cut into words in place. */
static int
parse_line(struct cursor *c, char *line)
{
	char *word[5] = { NULL }, *at = line;
	size_t n = 0;
	const char *epoch;
	uint64_t seq;

	while (n < 5 && (word[n] = strsep(&at, " ")) != NULL)
		n++;
	if (n == 2 && strcmp(word[0], "local") == 0)
		return parse_seq(word[1], &c->local);
	if (n < 3 || parse_seq(word[n - 2], &seq) < 0)
		return -EINVAL;
	epoch = strcmp(word[n - 1], "-") == 0 ? "" : word[n - 1];
	if (n == 3 && strcmp(word[0], "mailbox") == 0)
		return cursor_set_mailbox(c, epoch, seq);
	if (n == 4 && strcmp(word[0], "channel") == 0)
		return cursor_set(c, word[1], epoch, seq);
	return -EINVAL;
}

/* The lines from p to end, each whole. */
static int
parse_lines(struct cursor *c, const char *p, const char *end)
{
	char line[LINE_MAX_];
	const char *nl;
	int rc;

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL || (size_t)(nl - p) >= sizeof(line))
			return -EINVAL;
		memcpy(line, p, (size_t)(nl - p));
		line[nl - p] = '\0';
		rc = parse_line(c, line);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Is line, which ends in a newline, the end of the block before it? */
static bool
ends_block(const char *block, const char *line)
{
	char want[sizeof(END) + 9];

	snprintf(want, sizeof(want), END "%08" PRIx32 "\n",
	    crc32c(0, block, (size_t)(line - block)));
	return strncmp(line, want, strlen(want)) == 0;
}

static bool
has_header(const char *text, size_t len, const char *header)
{
	return len >= strlen(header) &&
	    memcmp(text, header, strlen(header)) == 0;
}

int
cursor_parse(struct cursor *c, const char *text, size_t len)
{
	const char *block = text + strlen(HEADER), *end = text + len;
	const char *p = block, *nl;
	bool any = false, bad = false;
	int rc;

	c->renew = true;
	if (has_header(text, len, HEADER_1))
		return parse_lines(c, block, end);
	if (!has_header(text, len, HEADER))
		return -EINVAL;
	for (; (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1) {
		if ((size_t)(nl - p) < strlen(END) ||
		    memcmp(p, END, strlen(END)) != 0)
			continue;
		if (ends_block(block, p)) {
			/* Behind a bad one: that was no crash. */
			if (bad)
				return -EINVAL;
			rc = parse_lines(c, block, p);
			if (rc < 0)
				return rc;
			any = true;
		} else {
			bad = true;
		}
		block = nl + 1;
	}
	return any ? 0 : -EINVAL;
}

void
cursor_salvage(struct cursor *c, const char *text, size_t len)
{
	const char *p = text, *end = text + len, *nl;

	c->renew = true;
	for (; (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1)
		/* One that is none changes nothing. */
		(void)!parse_lines(c, p, nl + 1);
}
