/*
 * conf.c - settings from text.
 */
#include "config.h"

#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char	*name;
	int64_t		 factor;
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

static const struct unit size_units[] = {
	{ "", 1 }, { "k", 1024 }, { "K", 1024 },
	{ "m", 1 << 20 }, { "M", 1 << 20 }, { "g", 1 << 30 },
	{ "G", 1 << 30 }, { NULL, 0 }
};

static const struct unit span_units[] = {
	{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
	{ "h", 3600000 }, { "d", 86400000 }, { NULL, 0 }
};

static int
parse(const char *s, const struct unit *u, int64_t min, int64_t max,
    int64_t *out)
{
	long long n;
	char *end;

	/* strtoll would take leading space and '+'. */
	if (!isdigit((unsigned char)*s) &&
	    !(*s == '-' && isdigit((unsigned char)s[1])))
		return -EINVAL;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (errno != 0)
		return -ERANGE;
	while (u->name != NULL && strcmp(u->name, end) != 0)
		u++;
	if (u->name == NULL)
		return -EINVAL;
	if (__builtin_mul_overflow(n, u->factor, &n) || n < min || n > max)
		return -ERANGE;
	*out = n;
	return 0;
}

int
conf_int(const char *s, int64_t min, int64_t max, int64_t *out)
{
	return parse(s, no_units, min, max, out);
}

int
conf_size(const char *s, int64_t min, int64_t max, int64_t *out)
{
	return parse(s, size_units, min, max, out);
}

int
conf_span_ms(const char *s, int64_t min, int64_t max, int64_t *out)
{
	return parse(s, span_units, min, max, out);
}

int
conf_double(const char *s, double min, double max, double *out)
{
	double d;
	char *end;

	if (!isdigit((unsigned char)*s) && *s != '-' && *s != '.')
		return -EINVAL;
	d = strtod(s, &end);
	if (end == s || *end != '\0' || !isfinite(d))
		return -EINVAL;
	if (d < min || d > max)
		return -ERANGE;
	*out = d;
	return 0;
}
