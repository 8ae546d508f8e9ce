/*
 * utf8.h - one sequence of UTF-8, for the scanner, the printer and the checks.
 */
#ifndef AC_WIRE_UTF8_H
#define AC_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/le.h"

/*
 * Bytes of the well-formed sequence at p (Unicode, table 3-7: nothing
 * overlong, no encoded surrogate, nothing above U+10FFFF); 0 if there is none.
 * p < end.
 */
static inline size_t
utf8_seq(const char *at, const char *end)
{
	const unsigned char *p = (const unsigned char *)at;
	size_t left = (size_t)(end - at);
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Does a byte stand for itself inside a JSON string? */
static inline bool
utf8_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/*
 * Of eight bytes, the first in the lowest place: which are not plain? A flag
 * is wrong only behind a right one, from where the subtraction borrowed.
 */
static inline uint64_t
utf8_odd(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
	uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';

	return (w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & tops;
}

/*
 * The first byte in p .. end that is not plain; end if all are. Eight at a
 * time: most of what is said is long runs of plain bytes.
 */
static inline const char *
utf8_skip_plain(const char *p, const char *end)
{
	const char *begin = p;
	uint64_t odd;

	for (; end - p >= 8; p += 8) {
		odd = utf8_odd(get_le64(p));
		if (odd != 0)
			return p + __builtin_ctzll(odd) / 8;
	}
	if (end - begin >= 8 && p < end) {
		/* Those before p once more: they are plain. */
		odd = utf8_odd(get_le64(end - 8));
		return odd != 0 ? end - 8 + __builtin_ctzll(odd) / 8 : end;
	}
	while (p < end && utf8_plain((unsigned char)*p))
		p++;
	return p;
}

#endif
