/*
 * table.h - what types.c knows, for the parser.
 */
#ifndef AC_WIRE_TABLE_H
#define AC_WIRE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "wire/msg.h"

/* One field of a type. A list of them ends with WIRE_RULES_END. */
struct wire_rule {
	enum wire_field	field;
	bool		required;
};

#define WIRE_RULES_END	WIRE_FIELD_COUNT

/* How long a string may be; max 0: as long as the text. */
struct wire_bound {
	size_t	max;
	bool	utf16;		/* max counts UTF-16 units, not bytes */
};

/* The fields of a type from this side; NULL: this side has no such message. */
const struct wire_rule *wire_rules(enum wire_type, enum wire_side);

/*
 * The field of a name, WIRE_FIELD_COUNT if unknown. Where a name has two kinds
 * it is the string's, and wire_field_twin() the number's (GAP's from and to).
 */
enum wire_field wire_field_find(const char *, size_t len) AC_NONNULL(1);
enum wire_field wire_field_twin(enum wire_field);

enum wire_kind wire_field_kind(enum wire_field);
const char *wire_kind_name(enum wire_kind);	/* "a string" */
struct wire_bound wire_field_bound(enum wire_field, enum wire_side);

#endif
