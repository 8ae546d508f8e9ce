/*
 * err.c - error codes in words.
 */
#include "config.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char	*word, *text;
} refusals[AC_ORD_COUNT] = {
#define ROW(w, t) [AC_ORD_##w] = { #w, t },
	AC_REFUSALS(ROW)
#undef ROW
};

static int
ordinal(int rc)
{
	int n = -1000 - rc;

	return n > AC_ORD_NONE && n < AC_ORD_COUNT ? n : AC_ORD_NONE;
}

const char *
ac_strerror(int rc)
{
	int n = ordinal(rc);

	if (n != AC_ORD_NONE)
		return refusals[n].text;
	return strerror(rc < 0 ? -rc : rc);
}

const char *
ac_errword(int rc)
{
	return refusals[ordinal(rc)].word;
}

const char *
ac_errtext(const char *word, const char *text)
{
	size_t len = strlen(word);

	return strncmp(text, word, len) == 0 && strncmp(text + len, ": ", 2) ==
	    0 ? text + len + 2 : text;
}

int
ac_errcode(const char *word, size_t len)
{
	for (int n = AC_ORD_NONE + 1; n < AC_ORD_COUNT; n++)
		if (strlen(refusals[n].word) == len &&
		    memcmp(refusals[n].word, word, len) == 0)
			return -1000 - n;
	return 0;
}
