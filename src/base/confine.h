/*
 * confine.h - a long-running program gives up what it doesn't need.
 */
#ifndef AC_BASE_CONFINE_H
#define AC_BASE_CONFINE_H

#include "base/attr.h"

/*
 * From here on this process, and threads and children that it starts later,
 * can gain no privileges, and can make, write, rename and remove files only
 * below the directory (a borrowed descriptor). Reading is as it was, and so
 * are descriptors that are open.
 *
 * 1; 0: no new privileges, but this system can't confine writes; negative: an
 * error, and nothing is confined.
 */
int	confine_writes(int dir) AC_MUST_CHECK;

#endif
