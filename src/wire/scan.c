/*
 * scan.c - the scanner: one strict pass over JSON that nobody vouches for.
 */
#include "config.h"

#include "wire/scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "wire/limits.h"
#include "wire/utf8.h"

/* What scan_reset() keeps: enough for any frame from a client. */
#define KEEP_BYTES	(2 * WIRE_FRAME_MAX)
#define KEEP_ENTRIES	1024

/* Up to so many keys, comparing each with each beats sorting them. */
#define PAIRWISE_MAX	16

const struct scan_limits scan_client = {
	.keys = WIRE_KEYS_MAX,
	.items = WIRE_ITEMS_MAX,
	.values = WIRE_VALUES_MAX,
};

/* A roster of thousands is one object. */
const struct scan_limits scan_relay = {
	.keys = WIRE_RELAY_VALUES_MAX,
	.items = WIRE_RELAY_VALUES_MAX,
	.values = WIRE_RELAY_VALUES_MAX,
};

static int	scan_value(struct scan *, struct scan_member *);

void
scan_fini(struct scan *s)
{
	free(s->copy);
	free(s->member);
	free(s->keys);
	*s = (struct scan)SCAN_INIT;
}

void
scan_reset(struct scan *s)
{
	s->count = 0;
	s->why = NULL;
	if (s->copy_cap > KEEP_BYTES || s->member_cap > KEEP_ENTRIES ||
	    s->keys_cap > KEEP_ENTRIES)
		scan_fini(s);
}

static int
refuse(struct scan *s, const char *why)
{
	s->why = why;
	return AC_E_INVALID_MSG;
}

/* Make room for one more entry of a growing array. */
static int
grow(void **array, size_t *cap, size_t len, size_t size)
{
	size_t more = *cap != 0 ? *cap * 2 : 32;
	void *p;

	if (len < *cap)
		return 0;
	p = reallocarray(*array, more, size);
	if (p == NULL)
		return -ENOMEM;
	*array = p;
	*cap = more;
	return 0;
}

static void
skip_space(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' ||
	    *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

/* Is c next? Then step over it. */
static bool
next_is(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* The four hex digits at p, or -1. */
static int
hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= c - '0';
		else if (c >= 'a' && c <= 'f')
			v |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			v |= c - 'A' + 10;
		else
			return -1;
	}
	return v;
}

/* Write a code point; returns behind it. Shorter than its escape was. */
static char *
put_code(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*out++ = (char)(0xe0 | c >> 12);
		} else {
			*out++ = (char)(0xf0 | c >> 18);
			*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (c & 0x3f));
	return out;
}

/* s->at is behind "\u". */
static int
scan_code(struct scan *s, char **out)
{
	int c = hex4(s->at, s->end), low;

	if (c < 0)
		return refuse(s, "Write \\u with four hex digits.");
	s->at += 4;
	if (c == 0)
		return refuse(s, "Leave U+0000 out: strings can't hold it.");
	if (c >= 0xd800 && c <= 0xdfff) {
		low = -1;
		if (c < 0xdc00 && s->end - s->at >= 6 && s->at[0] == '\\' &&
		    s->at[1] == 'u')
			low = hex4(s->at + 2, s->end);
		if (low < 0xdc00 || low > 0xdfff)
			return refuse(s, "Pair the surrogates: "
			    "one alone is no character.");
		s->at += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*out = put_code(*out, (uint32_t)c);
	return 0;
}

/* s->at is at a backslash. */
static int
scan_escape(struct scan *s, char **out)
{
	static const char names[] = "\"\\/bfnrt";
	static const char codes[] = "\"\\/\b\f\n\r\t";
	const char *p;

	s->at++;
	if (next_is(s, 'u'))
		return scan_code(s, out);
	p = s->at < s->end && *s->at != '\0' ? strchr(names, *s->at) : NULL;
	if (p == NULL)
		return refuse(s, "JSON has no such escape in a string: "
		    "write a backslash as \\\\.");
	*(*out)++ = codes[p - names];
	s->at++;
	return 0;
}

/* s->at is at the opening quote; then behind the closing one. */
static int
scan_string(struct scan *s, struct scan_str *str)
{
	char *start = s->copy + (++s->at - s->text), *out = start;
	bool moved = false;	/* an escape came: the copy is out of step */
	const char *p;
	size_t n;
	int rc;

	for (;;) {
		p = utf8_skip_plain(s->at, s->end);
		n = (size_t)(p - s->at);
		if (p < s->end && (unsigned char)*p >= 0x80) {
			size_t seq = utf8_seq(p, s->end);

			if (seq == 0)
				return refuse(s, "Write strings in UTF-8.");
			n += seq;
		}
		if (moved && n != 0)
			memcpy(out, s->at, n);
		out += n;
		s->at += n;
		if (s->at > p)
			continue;
		if (p == s->end)
			return refuse(s, "Close the string with a quote.");
		if (*p == '"')
			break;
		if (*p != '\\')
			return refuse(s, "Write control characters in a "
			    "string as escapes: \\n, \\u001b.");
		moved = true;
		rc = scan_escape(s, &out);
		if (rc < 0)
			return rc;
	}
	*out = '\0';
	s->at++;
	str->s = start;
	str->len = (size_t)(out - start);
	return 0;
}

static int
by_bytes(const void *x, const void *y)
{
	const struct scan_str *a = x, *b = y;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->s, b->s, a->len);
}

/* Is a key there twice? Sorts the keys if they are many. */
static bool
has_twins(struct scan_str *keys, size_t n)
{
	if (n > PAIRWISE_MAX) {
		qsort(keys, n, sizeof(*keys), by_bytes);
		for (size_t i = 1; i < n; i++)
			if (by_bytes(&keys[i - 1], &keys[i]) == 0)
				return true;
		return false;
	}
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (by_bytes(&keys[i], &keys[j]) == 0)
				return true;
	return false;
}

static int
push_key(struct scan *s, struct scan_str key)
{
	int rc = grow((void **)&s->keys, &s->keys_cap, s->keys_len,
	    sizeof(*s->keys));

	if (rc == 0)
		s->keys[s->keys_len++] = key;
	return rc;
}

/* Key, colon and value, at the key's quote. */
static int
scan_member(struct scan *s, struct scan_member *m)
{
	int rc;

	if (s->at == s->end || *s->at != '"')
		return refuse(s, "Give each member of an object a key in "
		    "quotes.");
	m->raw_key = s->at;
	rc = scan_string(s, &m->key);
	if (rc < 0)
		return rc;
	m->raw_key_len = (size_t)(s->at - m->raw_key);
	skip_space(s);
	if (!next_is(s, ':'))
		return refuse(s, "Put a colon between key and value.");
	skip_space(s);
	rc = scan_value(s, m);
	if (rc < 0)
		return rc;
	return push_key(s, m->key);
}

/*
 * s->at is behind the opening brace; then behind the closing one. Members of
 * the outermost object are kept.
 */
static int
scan_members(struct scan *s)
{
	struct scan_member inner, *m = &inner;
	size_t first = s->keys_len, n = 0;
	bool outer = s->depth == 1;
	int rc;

	skip_space(s);
	if (next_is(s, '}'))
		return 0;
	do {
		if (++n > s->limits->keys)
			return refuse(s, "This object has too many members.");
		if (outer) {
			rc = grow((void **)&s->member, &s->member_cap,
			    s->count, sizeof(*s->member));
			if (rc < 0)
				return rc;
			m = &s->member[s->count];
		}
		skip_space(s);
		rc = scan_member(s, m);
		if (rc < 0)
			return rc;
		s->count += outer;
		skip_space(s);
	} while (next_is(s, ','));
	if (!next_is(s, '}'))
		return refuse(s, "Close the object with a brace, and put "
		    "commas between its members.");
	if (has_twins(s->keys + first, n))
		return refuse(s, "Use each key once in an object.");
	s->keys_len = first;
	return 0;
}

/* s->at is behind the opening bracket; then behind the closing one. */
static int
scan_items(struct scan *s)
{
	struct scan_member item;
	size_t n = 0;
	int rc;

	skip_space(s);
	if (next_is(s, ']'))
		return 0;
	do {
		if (++n > s->limits->items)
			return refuse(s, "This list has too many items.");
		skip_space(s);
		rc = scan_value(s, &item);
		if (rc < 0)
			return rc;
		skip_space(s);
	} while (next_is(s, ','));
	if (!next_is(s, ']'))
		return refuse(s, "Close the list with a bracket, and put "
		    "commas between its items.");
	return 0;
}

static int
scan_number(struct scan *s, struct scan_member *m)
{
	size_t n = num_parse(s->at, s->end, &m->num);

	if (n == 0)
		return refuse(s, "This is no JSON value: "
		    "strings need quotes, numbers look like -1.5e3.");
	if (n == WIRE_NUMBER_MAX)
		return refuse(s, "Write numbers with fewer digits.");
	if (!isfinite(m->num))
		return refuse(s, "This number is too large for JSON's "
		    "readers.");
	s->at += n;
	m->kind = SCAN_NUM;
	return 0;
}

static int
scan_word(struct scan *s, struct scan_member *m)
{
	static const struct {
		const char	*word;
		size_t		 len;
		enum scan_kind	 kind;
	} words[] = {
		{ "null", 4, SCAN_NULL },
		{ "true", 4, SCAN_TRUE },
		{ "false", 5, SCAN_FALSE },
	};

	for (size_t i = 0; i < AC_COUNTOF(words); i++) {
		if ((size_t)(s->end - s->at) >= words[i].len &&
		    memcmp(s->at, words[i].word, words[i].len) == 0) {
			s->at += words[i].len;
			m->kind = words[i].kind;
			return 0;
		}
	}
	return scan_number(s, m);
}

static int
scan_nested(struct scan *s, struct scan_member *m)
{
	int rc;

	if (++s->depth > WIRE_DEPTH_MAX)
		return refuse(s, "This is nested too deep.");
	if (*s->at++ == '{') {
		m->kind = SCAN_OBJ;
		rc = scan_members(s);
	} else {
		m->kind = SCAN_LIST;
		rc = scan_items(s);
	}
	s->depth--;
	return rc;
}

static int
scan_value(struct scan *s, struct scan_member *m)
{
	int rc;

	if (++s->values > s->limits->values)
		return refuse(s, "This message has too many values.");
	if (s->at == s->end)
		return refuse(s, "The message ends too early.");
	m->raw = s->at;
	switch (*s->at) {
	case '"':
		m->kind = SCAN_STR;
		rc = scan_string(s, &m->str);
		break;
	case '{':
	case '[':
		rc = scan_nested(s, m);
		break;
	default:
		rc = scan_word(s, m);
	}
	m->raw_len = (size_t)(s->at - m->raw);
	return rc;
}

/* The object and nothing but white space around it. */
static int
scan_whole(struct scan *s)
{
	struct scan_member whole;
	int rc;

	skip_space(s);
	if (s->at == s->end || *s->at != '{')
		return refuse(s, "Send a JSON object: {\"type\":...}.");
	rc = scan_value(s, &whole);
	if (rc < 0)
		return rc;
	skip_space(s);
	if (s->at != s->end)
		return refuse(s, "Send nothing behind the object; "
		    "put the next one on a line of its own.");
	return 0;
}

int
scan_object(struct scan *s, const char *text, size_t len,
    const struct scan_limits *limits)
{
	int rc;

	scan_reset(s);
	if (len > WIRE_TEXT_MAX)
		return refuse(s, "This message is too long.");
	if (s->copy_cap <= len) {
		size_t cap = (len | 4095) + 1;
		char *p = realloc(s->copy, cap);

		if (p == NULL)
			return -ENOMEM;
		s->copy = p;
		s->copy_cap = cap;
	}
	memcpy(s->copy, text, len);
	s->text = s->at = text;
	s->end = text + len;
	s->limits = limits;
	s->keys_len = s->values = s->depth = 0;
	rc = scan_whole(s);
	if (rc < 0)
		s->count = 0;	/* half an object is none */
	return rc;
}
