/*
 * url.c - ws:// and wss:// addresses in their parts.
 */
#include "config.h"

#include "lib/conn.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/conf.h"
#include "lib/client.h"

/* What may stand in a host: nothing that could end a header line. */
static bool
host_char_ok(char c, bool bracketed)
{
	return isalnum((unsigned char)c) || strchr("-._", c) != NULL ||
	    (bracketed && (c == ':' || c == '%'));
}

static int
take_host(struct conn_url *u, const char *s, size_t len, bool bracketed)
{
	if (len == 0 || len >= sizeof(u->host))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\0' || !host_char_ok(s[i], bracketed))
			return -EINVAL;
		u->host[i] = (char)tolower((unsigned char)s[i]);
	}
	u->host[len] = '\0';
	return 0;
}

static int
take_port(struct conn_url *u, const char *s, size_t len)
{
	char digits[6];
	int64_t port;

	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, s, len);
	digits[len] = '\0';
	if (conf_int(digits, 1, 65535, &port) < 0)
		return -EINVAL;
	u->port = (int)port;
	return 0;
}

static int
take_path(struct conn_url *u, const char *s)
{
	size_t len = strcspn(s, "#");

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7f)
			return -EINVAL;
	if (snprintf(u->path, sizeof(u->path), "%s%.*s", *s == '/' ? "" : "/",
	    (int)len, s) >= (int)sizeof(u->path))
		return -EINVAL;
	return 0;
}

int
conn_url_parse(struct conn_url *u, const char *url)
{
	const char *s, *end, *host_end;
	bool bracketed;
	int rc;

	memset(u, 0, sizeof(*u));
	if (strncasecmp(url, "ws://", 5) == 0) {
		s = url + 5;
		u->port = 80;
	} else if (strncasecmp(url, "wss://", 6) == 0) {
		s = url + 6;
		u->port = 443;
		u->tls = true;
	} else {
		return -EINVAL;
	}
	end = s + strcspn(s, "/?#");
	bracketed = *s == '[';
	host_end = memchr(s, bracketed ? ']' : ':', (size_t)(end - s));
	if (bracketed && host_end == NULL)
		return -EINVAL;
	if (host_end == NULL)
		host_end = end;
	rc = take_host(u, s + bracketed, (size_t)(host_end - s) - bracketed,
	    bracketed);
	if (rc < 0)
		return rc;
	host_end += bracketed;
	if (host_end < end) {
		if (*host_end != ':')
			return -EINVAL;
		rc = take_port(u, host_end + 1,
		    (size_t)(end - host_end) - 1);
		if (rc < 0)
			return rc;
	}
	snprintf(u->hostport, sizeof(u->hostport),
	    bracketed ? "[%s]:%d" : "%s:%d", u->host, u->port);
	return take_path(u, end);
}

int
client_url_ok(const char *url)
{
	struct conn_url u;

	return conn_url_parse(&u, url);
}
