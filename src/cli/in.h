/*
 * in.h - what a command is given to read, whole.
 */
#ifndef AC_CLI_IN_H
#define AC_CLI_IN_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/cmd.h"
#include "ident/ident.h"

/*
 * Append what comes from fd until its end. 0; -EFBIG: it is longer than max
 * bytes; -ENOMEM; what read(2) says.
 */
int	in_read(int fd, size_t max, struct buf *)
	    AC_NONNULL(3) AC_MUST_CHECK;

/*
 * Append the file at path, which may be anybody's and anywhere, or if path is
 * NULL the one that is called standard in the root of the spools. As
 * in_read(); -ENOENT: there is none.
 */
int	in_file(const struct cmd_line *, const char *path,
	    const char *standard, size_t max, struct buf *)
	    AC_NONNULL(1, 3, 5) AC_MUST_CHECK;

/* The ids that an agent can have: which, its relay says. */
struct in_agent {
	char	 id[IDENT_ID_MAX], long_id[IDENT_ID_MAX];
};

/* Those of the key that -i names. Returns an exit code, having said why. */
int	in_agent(const struct cmd_line *, struct in_agent *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
