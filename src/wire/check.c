/*
 * check.c - names, channels, ids, UTF-8.
 */
#include "config.h"

#include "wire/msg.h"

#include "wire/limits.h"
#include "wire/utf8.h"

/* 1 .. max of [A-Za-z0-9_-]: nothing that a path or a shell could mistake. */
static bool
word_ok(const char *s, size_t len, size_t max)
{
	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '_' || c == '-'))
			return false;
	}
	return true;
}

bool
wire_agent_name_ok(const char *s, size_t len)
{
	return word_ok(s, len, WIRE_NAME_MAX);
}

bool
wire_channel_ok(const char *s, size_t len)
{
	return len > 0 && s[0] == '#' &&
	    word_ok(s + 1, len - 1, WIRE_CHANNEL_MAX - 1);
}

bool
wire_agent_id_ok(const char *s, size_t len)
{
	return len > 0 && s[0] == '@' &&
	    word_ok(s + 1, len - 1, WIRE_AGENT_MAX - 1);
}

bool
wire_utf8_ok(const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end) {
		size_t n = *s != '\0' ? utf8_seq(s, end) : 0;

		if (n == 0)
			return false;
		s += n;
	}
	return true;
}

size_t
wire_utf16_len(const char *s, size_t len)
{
	size_t units = 0;

	/* Each character starts once; those of four bytes are a pair. */
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		units += (c & 0xc0) != 0x80;
		units += c >= 0xf0;
	}
	return units;
}
