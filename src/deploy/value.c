/*
 * value.c - values of settings: from text, strictly, and back.
 *
 * What gets past here is plain enough to stand in a Dockerfile, a compose
 * file and an SDL without meaning anything else there.
 */
#include "config.h"

#include "deploy/internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "wire/msg.h"

#define SIZE_MAX_BYTES	(INT64_C(32) << 40)
#define DAY_MS		INT64_C(86400000)

static const char digits[] = "0123456789";
static const char lower_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char word[] = "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

int
why_say(char why[DEPLOY_WHY_MAX], int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, DEPLOY_WHY_MAX, fmt, ap);
	va_end(ap);
	return rc;
}

/* Copy what has been checked; the caller's field holds max bytes. */
static int
take(char *field, size_t max, const char *text, char why[DEPLOY_WHY_MAX])
{
	size_t len = strlen(text);

	if (len >= max)
		return why_say(why, -EINVAL, "longer than %zu bytes", max - 1);
	memcpy(field, text, len + 1);
	return 0;
}

int
value_provider(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	enum deploy_provider *p = field;

	if (strcmp(text, "docker") == 0)
		*p = DEPLOY_DOCKER;
	else if (strcmp(text, "akash") == 0)
		*p = DEPLOY_AKASH;
	else
		return why_say(why, -EINVAL, "'%s' is no provider: "
		    "docker or akash", text);
	return 0;
}

/* ------------------------------------------------------------- the image */

/* "example.org", "localhost:5000": the first part of a name, or not? */
static bool
registry_ok(const char *s, size_t len)
{
	const char *colon = memchr(s, ':', len);
	size_t host = colon != NULL ? (size_t)(colon - s) : len;
	size_t port = len - host;

	if (host == 0 || host > 253 || !isalnum((unsigned char)s[0]) ||
	    !isalnum((unsigned char)s[host - 1]))
		return false;
	for (size_t i = 0; i < host; i++)
		if (!isalnum((unsigned char)s[i]) && strchr(".-", s[i]) == NULL)
			return false;
	return port == 0 || (port >= 2 && port <= 6 &&
	    strspn(s + host + 1, digits) >= port - 1);
}

/* Lower case and digits, with one '.', one or two '_', or '-'s between. */
static bool
component_ok(const char *s, size_t len)
{
	size_t at = 0, n;

	for (;;) {
		n = strspn(s + at, lower_digits);
		if (n == 0)
			return false;
		at += n;
		if (at >= len)
			return at == len;
		if (s[at] == '.')
			at++;
		else if (s[at] == '_')
			at += s[at + 1] == '_' ? 2 : 1;
		else if (s[at] == '-')
			at += strspn(s + at, "-");
		else
			return false;
	}
}

static bool
repository_ok(const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len);
	size_t n = slash != NULL ? (size_t)(slash - s) : len;
	bool registry = slash != NULL && (memchr(s, '.', n) != NULL ||
	    memchr(s, ':', n) != NULL ||
	    (n == 9 && memcmp(s, "localhost", 9) == 0));

	if (registry) {
		if (!registry_ok(s, n))
			return false;
		s += n + 1;
		len -= n + 1;
	}
	for (;;) {
		slash = memchr(s, '/', len);
		n = slash != NULL ? (size_t)(slash - s) : len;
		if (!component_ok(s, n))
			return false;
		if (slash == NULL)
			return true;
		s += n + 1;
		len -= n + 1;
	}
}

/* Where the tag begins (behind the ':'), or NULL. */
static const char *
tag_of(const char *image)
{
	const char *slash = strrchr(image, '/');

	slash = strchr(slash != NULL ? slash : image, ':');
	return slash != NULL ? slash + 1 : NULL;
}

int
value_image(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	char image[256];
	const char *tag;
	char *at;
	bool ok = true;
	int rc = take(image, sizeof(image), text, why);

	if (rc < 0)
		return rc;
	at = strchr(image, '@');
	if (at != NULL) {
		ok = strncmp(at, "@sha256:", 8) == 0 && strlen(at) == 72 &&
		    strspn(at + 8, "0123456789abcdef") == 64;
		*at = '\0';
	}
	tag = tag_of(image);
	if (tag != NULL) {
		ok = ok && strlen(tag) >= 1 && strlen(tag) <= 128 &&
		    strchr(word, *tag) != NULL && *tag != '\0';
		for (const char *s = tag; ok && *s != '\0'; s++)
			ok = strchr(word, *s) != NULL ||
			    strchr(".-", *s) != NULL;
		image[tag - 1 - image] = '\0';
	}
	if (!ok || !repository_ok(image, strlen(image)))
		return why_say(why, -EINVAL, "'%.200s' is no image: "
		    "ghcr.io/you/agentchat:1.0", text);
	return take(field, sizeof(image), text, why);
}

bool
deploy_image_floats(const struct deploy_conf *conf)
{
	const char *tag;

	if (strchr(conf->image, '@') != NULL)
		return false;
	tag = tag_of(conf->image);
	return tag == NULL || strcmp(tag, "latest") == 0;
}

/* ----------------------------------------------------------- small texts */

int
value_name(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	size_t len = strlen(text);
	bool ok = len > 0 && *text != '-';

	for (size_t i = 0; ok && i < len; i++)
		ok = strchr(word, text[i]) != NULL ||
		    strchr(".-", text[i]) != NULL;
	if (!ok || len > 64)
		return why_say(why, -EINVAL, "'%.200s' is no name: 1 to 64 of "
		    "A-Z a-z 0-9 . _ -, not beginning with -", text);
	return take(field, 65, text, why);
}

int
value_host(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	unsigned char address[16];

	if (inet_pton(AF_INET, text, address) != 1 &&
	    inet_pton(AF_INET6, text, address) != 1)
		return why_say(why, -EINVAL, "'%.200s' is no address: "
		    "0.0.0.0, 127.0.0.1, ::", text);
	return take(field, 46, text, why);
}

int
value_domain(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	const char *s = text;
	size_t dots = 0, n;
	bool ok = strlen(text) <= 253;

	/* Labels of 1 to 63, two at least, and no address. */
	while (ok) {
		n = strcspn(s, ".");
		ok = n >= 1 && n <= 63 && s[0] != '-' && s[n - 1] != '-' &&
		    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") >= n;
		if (!ok || s[n] == '\0')
			break;
		s += n + 1;
		dots++;
	}
	if (!ok || dots == 0 || strspn(s, digits) == strlen(s))
		return why_say(why, -EINVAL, "'%.200s' is no domain: "
		    "relay.example.org, in lower case", text);
	return take(field, 254, text, why);
}

int
value_network(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	size_t len = strlen(text);
	bool ok = len >= 1 && len <= 63 && *text != '-';

	if (!ok || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		return why_say(why, -EINVAL, "'%.200s' is no network: for "
		    "akash sandbox, testnet or mainnet; for docker 1 to 63 of "
		    "a-z 0-9 -", text);
	return take(field, 64, text, why);
}

int
value_path(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	if (*text == '\0')
		return why_say(why, -EINVAL, "an empty path");
	for (const unsigned char *s = (const unsigned char *)text; *s != '\0';
	    s++)
		if (*s < ' ' || *s == 0x7f)
			return why_say(why, -EINVAL,
			    "a path with a control character in it");
	if (!wire_utf8_ok(text, strlen(text)))
		return why_say(why, -EINVAL, "a path that is not UTF-8");
	/* C1, line and paragraph separator, noncharacters: YAML's own. */
	for (const char *s = text; *s != '\0'; s++)
		if ((*s == '\xc2' && (s[1] & 0xe0) == 0x80) ||
		    strncmp(s, "\xe2\x80\xa8", 3) == 0 ||
		    strncmp(s, "\xe2\x80\xa9", 3) == 0 ||
		    strncmp(s, "\xef\xbf\xbe", 3) == 0 ||
		    strncmp(s, "\xef\xbf\xbf", 3) == 0)
			return why_say(why, -EINVAL, "a path with a control "
			    "character in it");
	return take(field, 1024, text, why);
}

int
value_bool(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	int *b = field;

	if (strcmp(text, "true") == 0)
		*b = 1;
	else if (strcmp(text, "false") == 0)
		*b = 0;
	else
		return why_say(why, -EINVAL, "'%.200s' is neither true nor "
		    "false", text);
	return 0;
}

/* --------------------------------------------------------------- numbers */

/*
 * A decimal number with up to places digits behind its point, in units of
 * the last place: 0.5 with 3 places is 500.
 */
static bool
fixed(const char *text, int places, int64_t *out)
{
	size_t whole = strspn(text, digits);
	int64_t n = 0;

	if (whole == 0 || whole > 12)
		return false;
	for (size_t i = 0; i < whole; i++)
		n = n * 10 + (text[i] - '0');
	text += whole;
	if (*text == '.') {
		text++;
		if (*text == '\0')
			return false;
	}
	for (; places > 0; places--) {
		n *= 10;
		if (isdigit((unsigned char)*text))
			n += *text++ - '0';
	}
	*out = n;
	return *text == '\0';
}

static int
whole_number(int64_t *field, const char *text, int64_t min, int64_t max,
    const char *what, char why[DEPLOY_WHY_MAX])
{
	int rc = conf_int(text, min, max, field);

	if (rc == 0)
		return 0;
	return why_say(why, -EINVAL, "'%.200s' is no %s: %" PRId64 " to %"
	    PRId64, text, what, min, max);
}

int
value_port(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	return whole_number(field, text, 1, 65535, "port", why);
}

int
value_count(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	return whole_number(field, text, 1, 16, "count", why);
}

int
value_deposit(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	return whole_number(field, text, 1, INT64_C(1000000000000),
	    "deposit in uact", why);
}

int
value_cpu(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	int64_t milli = 0, *out = field;
	size_t len = strspn(text, digits);
	bool ok;

	if (len > 0 && strcmp(text + len, "m") == 0)
		ok = len <= 9 && sscanf(text, "%" SCNd64, &milli) == 1;
	else
		ok = fixed(text, 3, &milli);
	if (!ok || milli < 10 || milli > 256000)
		return why_say(why, -EINVAL, "'%.200s' is no number of cores: "
		    "0.5 or 500m, 0.01 to 256", text);
	*out = milli;
	return 0;
}

static const struct size_unit {
	const char	*name;
	int64_t		 bytes;
} size_units[] = {
	{ "Ti", INT64_C(1) << 40 }, { "Gi", INT64_C(1) << 30 },
	{ "Mi", INT64_C(1) << 20 }, { "Ki", INT64_C(1) << 10 },
};

int
value_bytes(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	size_t len = strspn(text, digits);
	int64_t n = 0, *out = field;

	for (size_t i = 0; i < AC_COUNTOF(size_units) && len >= 1 && len <= 9;
	    i++) {
		if (strcmp(text + len, size_units[i].name) != 0)
			continue;
		if (sscanf(text, "%" SCNd64, &n) != 1 || n >
		    SIZE_MAX_BYTES / size_units[i].bytes)
			break;
		n *= size_units[i].bytes;
		if (n < INT64_C(16) << 20)
			break;
		*out = n;
		return 0;
	}
	return why_say(why, -EINVAL, "'%.200s' is no size: 512Mi, 1Gi; "
	    "16Mi to 32Ti, in Ki, Mi, Gi or Ti", text);
}

int
value_duration(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	size_t len = strspn(text, digits);

	/* A bare number would be seconds; here nobody means that. */
	if (len == 0 || text[len] == '\0' ||
	    conf_span_ms(text, 600000, 365 * DAY_MS, field) < 0)
		return why_say(why, -EINVAL, "'%.200s' is no duration: "
		    "90m, 24h, 7d; 10m to 365d", text);
	return 0;
}

int
value_price(void *field, const char *text, char why[DEPLOY_WHY_MAX])
{
	int64_t micro, *out = field;

	if (!fixed(text, 6, &micro) || micro < 1 ||
	    micro > INT64_C(1000000000000))
		return why_say(why, -EINVAL, "'%.200s' is no price: uact per "
		    "block, 0.000001 to 1000000", text);
	*out = micro;
	return 0;
}

/* -------------------------------------------------------------- and back */

void
put_bytes(struct buf *b, int64_t bytes)
{
	size_t i = 0;

	while (i + 1 < AC_COUNTOF(size_units) &&
	    bytes % size_units[i].bytes != 0)
		i++;
	buf_addf(b, "%" PRId64 "%s", bytes / size_units[i].bytes,
	    size_units[i].name);
}

static void
put_fixed(struct buf *b, int64_t n, int places)
{
	char text[32];
	int64_t unit = 1;
	int len;

	for (int i = 0; i < places; i++)
		unit *= 10;
	len = snprintf(text, sizeof(text), "%" PRId64 ".%0*" PRId64, n / unit,
	    places, n % unit);
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	buf_add(b, text, (size_t)len);
}

void
put_milli(struct buf *b, int64_t milli)
{
	put_fixed(b, milli, 3);
}

void
put_micro(struct buf *b, int64_t micro)
{
	put_fixed(b, micro, 6);
}

void
put_span(struct buf *b, int64_t ms)
{
	if (ms % DAY_MS == 0 && ms > DAY_MS)
		buf_addf(b, "%" PRId64 "d", ms / DAY_MS);
	else if (ms % 3600000 == 0)
		buf_addf(b, "%" PRId64 "h", ms / 3600000);
	else if (ms % 60000 == 0)
		buf_addf(b, "%" PRId64 "m", ms / 60000);
	else if (ms % 1000 == 0)
		buf_addf(b, "%" PRId64 "s", ms / 1000);
	else
		buf_addf(b, "%" PRId64 "ms", ms);
}

void
put_quoted(struct buf *b, const char *s)
{
	buf_addc(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
	buf_addc(b, '"');
}
