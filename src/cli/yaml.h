/*
 * yaml.h - JSON as YAML, for people who read it.
 */
#ifndef AC_CLI_YAML_H
#define AC_CLI_YAML_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"

/*
 * Append one JSON object as an item of a YAML list, its members a line each.
 * 0; AC_E_INVALID_MSG: it is no object; -ENOMEM.
 */
int	yaml_item(struct buf *, const char *json, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
