/*
 * object.h - what the public functions hand out: lib's own.
 */
#ifndef AC_LIB_OBJECT_H
#define AC_LIB_OBJECT_H

#include <stddef.h>

#include "base/attr.h"

struct agentchat_object;

/* Of a text, which is copied. AC_E_INVALID_MSG: it is no object; -ENOMEM. */
int	object_new(struct agentchat_object **, const char *text, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
