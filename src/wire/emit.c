/*
 * emit.c - print messages and other JSON, byte for byte as JSON.stringify()
 * would: signatures are made over what this prints.
 */
#include "config.h"

#include "wire/msg.h"

#include <math.h>
#include <string.h>

#include "wire/scan.h"
#include "wire/utf8.h"

/* U+FFFD, for bytes that are no UTF-8: what we print is always JSON. */
#define REPLACEMENT	"\xef\xbf\xbd"

void
wire_json_sep(struct buf *b)
{
	char last = b->len != 0 ? b->p[b->len - 1] : '\n';

	/* Nothing else that we print ends in a bracket that opens. */
	if (last != '{' && last != '[' && last != '\n')
		buf_addc(b, ',');
}

/* A byte that can't stand for itself. */
static void
put_escape(struct buf *b, unsigned char c)
{
	static const char short_form[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
		['\r'] = 'r', ['"'] = '"', ['\\'] = '\\',
	};
	char *p;

	if (short_form[c] == '\0') {
		buf_addf(b, "\\u%04x", c);
		return;
	}
	p = buf_reserve(b, 2);
	if (p == NULL)
		return;
	p[0] = '\\';
	p[1] = short_form[c];
	p[2] = '\0';
	b->len += 2;
}

void
wire_json_str(struct buf *b, const char *s, size_t len)
{
	const char *end = s + len, *run = s;
	char *at = buf_reserve(b, len + 2);

	s = utf8_skip_plain(s, end);
	if (at != NULL && s == end) {
		*at++ = '"';		/* most often, and in one piece */
		memcpy(at, run, len);
		memcpy(at + len, "\"", 2);
		b->len += len + 2;
		return;
	}
	buf_addc(b, '"');
	while (s < end) {
		size_t n;

		s = utf8_skip_plain(s, end);
		if (s == end)
			break;
		n = utf8_seq(s, end);
		if (n > 1) {
			s += n;
			continue;
		}
		buf_add(b, run, (size_t)(s - run));
		if (n == 0)
			buf_adds(b, REPLACEMENT);
		else
			put_escape(b, (unsigned char)*s);
		run = ++s;
	}
	buf_add(b, run, (size_t)(end - run));
	buf_addc(b, '"');
}

void
wire_json_num(struct buf *b, double d)
{
	char text[NUM_TEXT_MAX];

	if (isfinite(d))
		buf_add(b, text, num_print(text, d));
	else
		buf_adds(b, "null");
}

void
wire_json_text(struct buf *b, const char *key, const char *value)
{
	wire_json_key(b, key);
	if (value != NULL && wire_utf8_ok(value, strlen(value)))
		wire_json_str(b, value, strlen(value));
	else
		buf_adds(b, "null");
}

void
wire_json_count(struct buf *b, const char *key, uint64_t n)
{
	wire_json_key(b, key);
	wire_json_num(b, (double)n);
}

void
wire_json_int(struct buf *b, int64_t n)
{
	static const char pairs[] =
	    "0001020304050607080910111213141516171819"
	    "2021222324252627282930313233343536373839"
	    "4041424344454647484950515253545556575859"
	    "6061626364656667686970717273747576777879"
	    "8081828384858687888990919293949596979899";
	char text[24], *end = text + sizeof(text), *p = end;
	uint64_t u = n < 0 ? -(uint64_t)n : (uint64_t)n;

	/* Each message has four: two digits for one division. */
	for (; u >= 100; u /= 100)
		p = memcpy(p - 2, pairs + u % 100 * 2, 2);
	if (u >= 10)
		p = memcpy(p - 2, pairs + u * 2, 2);
	else
		*--p = (char)('0' + u);
	if (n < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(end - p));
}

void
wire_json_key(struct buf *b, const char *key)
{
	wire_json_sep(b);
	wire_json_str(b, key, strlen(key));
	buf_addc(b, ':');
}

/* Names of fields need no escape. */
static void
put_key(struct buf *b, enum wire_field f)
{
	static const struct {
		const char	*text;
		size_t		 len;
	} keys[] = {
#define KEY(id, name, kind) [WF_##id] = { "\"" name "\":", sizeof(name) + 2 },
		WIRE_FIELDS(KEY)
#undef KEY
	};

	wire_json_sep(b);
	buf_add(b, keys[f].text, keys[f].len);
}

void
wire_begin(struct buf *b, enum wire_type type)
{
	buf_adds(b, "{\"type\":\"");
	buf_adds(b, wire_type_name(type));
	buf_addc(b, '"');
}

void
wire_end(struct buf *b)
{
	buf_addc(b, '}');
}

void
wire_put_str(struct buf *b, enum wire_field f, const char *s, size_t len)
{
	put_key(b, f);
	wire_json_str(b, s, len);
}

void
wire_puts(struct buf *b, enum wire_field f, const char *s)
{
	wire_put_str(b, f, s, strlen(s));
}

void
wire_put_int(struct buf *b, enum wire_field f, int64_t n)
{
	put_key(b, f);
	wire_json_int(b, n);
}

void
wire_put_num(struct buf *b, enum wire_field f, double d)
{
	put_key(b, f);
	wire_json_num(b, d);
}

void
wire_put_bool(struct buf *b, enum wire_field f, bool v)
{
	put_key(b, f);
	buf_adds(b, v ? "true" : "false");
}

/*
 * JSON without the white space between its parts: a line feed there would
 * break a file or a frame of lines in two.
 */
static void
put_compact(struct buf *b, const char *raw, size_t len)
{
	const char *p = raw, *end = raw + len, *run = raw;
	bool in_string = false;

	if (len > 0 && *raw == '"')
		p = end;	/* a string has no parts */
	for (; p < end; p++) {
		if (*p == '"') {
			in_string = !in_string;
		} else if (in_string && *p == '\\' && p + 1 < end) {
			p++;
		} else if (!in_string && (*p == ' ' || *p == '\n' ||
		    *p == '\t' || *p == '\r')) {
			buf_add(b, run, (size_t)(p - run));
			run = p + 1;
		}
	}
	buf_add(b, run, (size_t)(end - run));
}

void
wire_put_raw(struct buf *b, enum wire_field f, const char *raw, size_t len)
{
	put_key(b, f);
	put_compact(b, raw, len);
}

static bool
is_named(const struct scan_str *key, const enum wire_field *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = wire_field_name(f[i]);

		if (strlen(name) == key->len &&
		    memcmp(name, key->s, key->len) == 0)
			return true;
	}
	return false;
}

static int
copy_members(struct buf *b, const struct scan *scan, const enum wire_field *f,
    size_t count)
{
	buf_addc(b, '{');
	for (size_t i = 0; i < scan->count; i++) {
		const struct scan_member *mem = &scan->member[i];

		if (is_named(&mem->key, f, count))
			continue;
		wire_json_sep(b);
		buf_add(b, mem->raw_key, mem->raw_key_len);
		buf_addc(b, ':');
		put_compact(b, mem->raw, mem->raw_len);
	}
	return buf_err(b);
}

int
wire_copy_without(struct buf *b, const char *text, size_t len,
    const enum wire_field *f, size_t count)
{
	struct scan scan = SCAN_INIT;
	int rc = scan_object(&scan, text, len, &scan_relay);

	if (rc == 0)
		rc = copy_members(b, &scan, f, count);
	scan_fini(&scan);
	return rc;
}

int
wire_msg_copy_without(struct buf *b, const struct wire_msg *m,
    const enum wire_field *f, size_t count)
{
	return copy_members(b, scan_of(m), f, count);
}
