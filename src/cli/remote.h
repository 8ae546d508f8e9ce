/*
 * remote.h - a command's session with a relay.
 */
#ifndef AC_CLI_REMOTE_H
#define AC_CLI_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cmd.h"
#include "lib/client.h"

struct ident;

/* What a command that connects declares besides its own options. */
#define CMD_OPTS_REMOTE	CMD_OPT_IDENTITY, CMD_OPT_PASS_FD, \
	CMD_OPT_EPHEMERAL, CMD_OPT_NAME, CMD_OPT_CA

#define REMOTE_TIMEOUT_MS 10000	/* to connect, and for an answer */

struct remote {
	const struct cmd *cmd;
	struct ident	*ident;		/* NULL: ephemeral */
	struct client_conf conf;
	struct call	*call;
	int64_t		 deadline_ms;	/* clock_mono_ms() */
};

/*
 * Who connects, and where to: checks the URL, the name and the authorities'
 * file, and loads the key: -i, else DIR/identity.json if it is there and no
 * running daemon has it (one key has one session: the command would push the
 * daemon off). speaks: others will see who it was, so say if the key isn't
 * used. Returns an exit code, having said why. To be closed in any case.
 */
int	remote_init(struct remote *, const struct cmd_line *, bool speaks)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* remote_init(), then connect: EXIT_TRY_AGAIN where there is no relay. */
int	remote_open(struct remote *, const struct cmd_line *, bool speaks)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	remote_close(struct remote *) AC_NONNULL(1);

/*
 * Send the request (its buf_err() is checked here) and wait for the message
 * that accept takes; see call_do(). remote_ask() returns an exit code, having
 * said the relay's reason.
 */
int	remote_ask(struct remote *, const struct buf *, call_accept_fn *,
	    void *arg) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/* Say why a call failed with rc, and return the exit code. */
int	remote_fail(const struct remote *, int rc) AC_NONNULL(1) AC_MUST_CHECK;

/* Send without waiting for anything; an exit code likewise. */
int	remote_tell(struct remote *, const struct buf *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* accept for "the first of this type, for this channel". */
struct remote_want {
	enum wire_type	 type;
	const char	*channel;	/* NULL: any */
};
int	remote_accept(void *arg, const struct wire_msg *, const char *text,
	    size_t len);

/*
 * Append the ACK that a message of the mailbox asks for, once it is where it
 * can't be lost; false: it asks for none.
 */
bool	remote_make_ack(struct buf *, const struct wire_msg *,
	    const struct client_info *) AC_NONNULL(1, 2, 3);

/* Join the channel and wait for JOINED: an exit code, as remote_ask(). */
int	remote_join(struct remote *, const char *channel)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
