/*
 * num.c - numbers as JSON writes and JavaScript prints them, in any locale:
 * the C library is never shown a decimal point.
 */
#include "config.h"

#include "wire/scan.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/limits.h"

#define EXACT_MAX	9007199254740992	/* 2^53 */
#define POWER_MAX	22	/* 10^22 is the last power that is exact */
#define EXP_MAX		100000	/* beyond it, everything is 0 or infinite */
#define DIGITS_MAX	17	/* always enough for a double */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* digits (no point) times 10^exp10, rounded as strtod() rounds. */
static double
scale(const char *digits, size_t n, long exp10)
{
	static const double power[POWER_MAX + 1] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
		1e22
	};
	char text[WIRE_NUMBER_MAX + 16];
	uint64_t whole = 0;

	/* Two exact numbers and one operation round once: that is right. */
	if (n <= 18) {
		for (size_t i = 0; i < n; i++)
			whole = whole * 10 + (uint64_t)(digits[i] - '0');
		if (whole <= EXACT_MAX && exp10 == 0)
			return (double)whole;
		if (FLT_EVAL_METHOD == 0 && whole <= EXACT_MAX &&
		    exp10 >= -POWER_MAX && exp10 <= POWER_MAX)
			return exp10 < 0 ? (double)whole / power[-exp10] :
			    (double)whole * power[exp10];
	}
	memcpy(text, digits, n);
	snprintf(text + n, sizeof(text) - n, "e%ld", exp10);
	return strtod(text, NULL);
}

size_t
num_parse(const char *p, const char *end, double *out)
{
	const char *start = p;
	char digits[WIRE_NUMBER_MAX];
	size_t n = 0;
	long exp10 = 0, e = 0;
	bool minus = false, exp_minus = false;

	/* So every digit has its place below. */
	if (end - p > WIRE_NUMBER_MAX)
		end = p + WIRE_NUMBER_MAX;
	if (p < end && *p == '-') {
		minus = true;
		p++;
	}
	if (p == end || !is_digit(*p))
		return 0;
	if (*p == '0') {
		digits[n++] = *p++;
	} else {
		while (p < end && is_digit(*p))
			digits[n++] = *p++;
	}
	if (p < end && *p == '.') {
		const char *point = p++;

		for (; p < end && is_digit(*p); p++, exp10--)
			digits[n++] = *p;
		if (p == point + 1)
			return 0;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			exp_minus = *p++ == '-';
		if (p == end || !is_digit(*p))
			return 0;
		for (; p < end && is_digit(*p); p++)
			if (e < EXP_MAX)
				e = e * 10 + (*p - '0');
	}
	*out = scale(digits, n, exp10 + (exp_minus ? -e : e));
	if (minus)
		*out = -*out;
	return (size_t)(p - start);
}

/*
 * d > 0 to n significant digits, the nearest: the digits into out, and
 * d is about 0.DIGITS times 10^*point.
 */
static void
round_to(double d, int n, char out[DIGITS_MAX + 1], int *point)
{
	char text[DIGITS_MAX + 24];
	const char *p = text;
	int at = 0;

	snprintf(text, sizeof(text), "%.*e", n - 1, d);
	for (; *p != 'e'; p++)		/* over the locale's point, if any */
		if (is_digit(*p))
			out[at++] = *p;
	out[at] = '\0';
	*point = atoi(p + 1) + 1;
}

/* The next larger number of as many digits. */
static void
bump(char *digits, int n, int *point)
{
	int i = n - 1;

	while (i >= 0 && digits[i] == '9')
		digits[i--] = '0';
	if (i >= 0) {
		digits[i]++;
	} else {
		digits[0] = '1';
		++*point;
	}
}

/*
 * The shortest digits that read back as d, the nearest if there are several.
 * Where the doubles below d lie closer than those above (d is a power of two)
 * the nearest n digits can read back as another double though the next larger
 * do not.
 */
static int
shortest(double d, char out[DIGITS_MAX + 1], int *point)
{
	/* 15 digits survive the way through a double, but not a subnormal. */
	int n = d < DBL_MIN ? 1 : 15;

	for (; n < DIGITS_MAX; n++) {
		round_to(d, n, out, point);
		if (scale(out, (size_t)n, *point - n) == d)
			break;
		bump(out, n, point);
		if (scale(out, (size_t)n, *point - n) == d)
			break;
	}
	if (n == DIGITS_MAX)
		round_to(d, n, out, point);
	while (n > 1 && out[n - 1] == '0')
		n--;
	out[n] = '\0';
	return n;
}

size_t
num_print(char out[NUM_TEXT_MAX], double d)
{
	char digits[DIGITS_MAX + 1];
	char *p = out;
	int n, point;

	if (d < 0) {
		*p++ = '-';
		d = -d;
	}
	if (d <= EXACT_MAX && d == floor(d)) {
		p += sprintf(p, "%llu", (unsigned long long)d);
		return (size_t)(p - out);
	}
	n = shortest(d, digits, &point);

	/* ECMA-262, Number::toString: where the point goes, and from when on
	 * there is an exponent. */
	if (point >= n && point <= 21) {
		p += sprintf(p, "%s%.*s", digits, point - n,
		    "000000000000000000000");
	} else if (point > 0 && point <= 21) {
		p += sprintf(p, "%.*s.%s", point, digits, digits + point);
	} else if (point > -6 && point <= 0) {
		p += sprintf(p, "0.%.*s%s", -point, "00000", digits);
	} else {
		*p++ = digits[0];
		if (n > 1)
			p += sprintf(p, ".%s", digits + 1);
		p += sprintf(p, "e%c%d", point > 0 ? '+' : '-',
		    abs(point - 1));
	}
	return (size_t)(p - out);
}
