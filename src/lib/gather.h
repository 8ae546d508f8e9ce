/*
 * gather.h - one descriptor that becomes readable when one of many is ready or
 * a time has come, for somebody else's loop to wait on: lib's own.
 */
#ifndef AC_LIB_GATHER_H
#define AC_LIB_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct gather;

int	gather_new(struct gather **) AC_NONNULL(1) AC_MUST_CHECK;
void	gather_free(struct gather *);		/* NULL accepted */
int	gather_fd(const struct gather *) AC_NONNULL(1);

/*
 * Add a descriptor, borrowed. edge: tell each time that it becomes readable or
 * writable, and not for as long as it is so. One that is in there already
 * stays; one that is closed is forgotten, if it was the last of its file.
 */
int	gather_add(struct gather *, int fd, bool edge)
	    AC_NONNULL(1) AC_MUST_CHECK;
void	gather_del(struct gather *, int fd) AC_NONNULL(1);

/* Be readable in so many milliseconds at the latest; < 0: no such time. */
void	gather_arm(struct gather *, int64_t ms) AC_NONNULL(1);

/* What has been told by now is known. */
void	gather_clear(struct gather *) AC_NONNULL(1);

#endif
