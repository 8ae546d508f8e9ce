/*
 * pass.h - a passphrase, from the terminal or a descriptor; and the words for
 * an identity file that can't be used.
 */
#ifndef AC_CLI_PASS_H
#define AC_CLI_PASS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "cli/cmd.h"

#define PASS_MAX 1024

struct pass {
	char	text[PASS_MAX];
	size_t	len;
};

/*
 * Read one: from fd up to the end of the line, or if fd is -1 from the
 * terminal, with prompt and without echo; asked again if twice, so that it has
 * no slip of the finger. Returns an exit code, having said why. To be wiped in
 * any case.
 */
int	pass_read(struct pass *, const struct cmd *, int fd,
	    const char *prompt, bool twice) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
void	pass_wipe(struct pass *) AC_NONNULL(1);

/*
 * Say why ident_load() or ident_save() of path gave rc, and what to do about
 * it. Returns the exit code.
 */
int	pass_fail(const struct cmd *, const char *path, int rc)
	    AC_NONNULL(1, 2);

#endif
