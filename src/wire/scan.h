/*
 * scan.h - the scanner: the strict grammar under everything that wire reads.
 *
 * One pass over the bytes checks them and leaves the top level of the object
 * as a list of members. Decoded strings stand in a copy of the text, at the
 * offsets of their originals: decoding never makes a string longer, and the
 * closing quote leaves room for the NUL. So there is one allocation for all
 * strings of a message, and it is kept for the next.
 *
 * What passes here, cJSON reads without surprise (tests/fuzz compares them).
 */
#ifndef AC_WIRE_SCAN_H
#define AC_WIRE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum scan_kind {
	SCAN_NULL, SCAN_FALSE, SCAN_TRUE, SCAN_NUM, SCAN_STR, SCAN_LIST,
	SCAN_OBJ
};

/* A string: where its decoded bytes are. NUL-terminated, no NUL inside. */
struct scan_str {
	const char	*s;
	size_t		 len;
};

struct scan_member {
	struct scan_str	 key;
	const char	*raw_key;	/* in the text, with its quotes */
	size_t		 raw_key_len;
	enum scan_kind	 kind;
	struct scan_str	 str;		/* SCAN_STR */
	double		 num;		/* SCAN_NUM, finite */
	const char	*raw;		/* the value in the text */
	size_t		 raw_len;
};

struct scan_limits {
	size_t	keys;		/* in one object */
	size_t	items;		/* in one list */
	size_t	values;		/* in all */
};

extern const struct scan_limits scan_client, scan_relay;

struct scan {
	/* The result. */
	struct scan_member *member;	/* of the object, in order */
	size_t		 count;
	const char	*why;		/* after a refusal: one sentence, static */

	/* The scanner's own. */
	const char	*text, *at, *end;
	const struct scan_limits *limits;
	char		*copy;		/* of the text; strings decoded */
	size_t		 copy_cap;
	size_t		 member_cap;
	struct scan_str	*keys;		/* stack: of the open objects */
	size_t		 keys_len, keys_cap;
	size_t		 values;
	unsigned	 depth;
};

#define SCAN_INIT { 0 }

/* Frees everything; the struct is as after SCAN_INIT. */
void	scan_fini(struct scan *) AC_NONNULL(1);

/* Forget the result; memory that one large text took is given back. */
void	scan_reset(struct scan *) AC_NONNULL(1);

/*
 * Scan one object with white space around it. text is borrowed as long as the
 * result is used. Returns 0; AC_E_INVALID_MSG and why; -ENOMEM.
 */
int	scan_object(struct scan *, const char *text, size_t len,
	    const struct scan_limits *) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;

/* --------------------------------------------------------------- parse.c */

struct wire_msg;

/* Of the text that a message was read from, as long as it is borrowed. */
const struct scan *scan_of(const struct wire_msg *) AC_NONNULL(1);

/* ----------------------------------------------------------------- num.c */

/* Bytes of the JSON number at p, 0 if there is none; its nearest double. */
size_t	num_parse(const char *p, const char *end, double *)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

#define NUM_TEXT_MAX 32		/* "-1.2345678901234567e-308" and a NUL */
/* As JavaScript prints a finite number. Returns its length. */
size_t	num_print(char out[NUM_TEXT_MAX], double) AC_NONNULL(1);

#endif
