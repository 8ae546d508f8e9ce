/*
 * identity.h - what the two files of `agentchat identity` share.
 */
#ifndef AC_CLI_IDENTITY_H
#define AC_CLI_IDENTITY_H

#include <limits.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/cmd.h"
#include "cli/pass.h"
#include "ident/ident.h"

struct identity_job {
	const struct cmd *cmd;
	struct cmd_line	 cl;
	int		 action;	/* the option's letter or number */
	bool		 force, lock;
	int		 pass_fd;	/* -1: the terminal */
	const char	*reason;
	int		 dir;		/* what path is relative to */
	const char	*path;
	char		 shown[PATH_MAX]; /* the same, for people */
	struct ident	*id;
};

/*
 * cmd_identity.c. Those that return an int return an exit code, having said
 * why.
 *
 *	load		into j->id; with its private half if it signs, and then p
 *			is the passphrase if there was one to ask for
 *	save		id, locked first unless p is empty
 *	print_id	id's agent id, or its card with --json
 */
int	identity_load(struct identity_job *, bool signs, struct pass *)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
int	identity_save(struct identity_job *, struct ident *,
	    const struct pass *, bool replace)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
int	identity_print_id(const struct identity_job *, const struct ident *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	identity_add_id(struct buf *, const unsigned char *key)
	    AC_NONNULL(1, 2);

/* identity_chain.c: --rotate, --revoke, --verify-chain. */
int	identity_rotate(struct identity_job *, struct pass *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	identity_revoke(struct identity_job *, struct pass *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	identity_verify(struct identity_job *, struct pass *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
