/*
 * deal.h - one step of a deal, made in a session with a relay: PROPOSAL,
 * ACCEPT, REJECT, COMPLETE or DISPUTE. ledger/ has the rules.
 */
#ifndef AC_LIB_DEAL_H
#define AC_LIB_DEAL_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "ledger/ledger.h"
#include "lib/client.h"
#include "wire/msg.h"

/* A step as its maker says it; NULL or negative: not given. Borrowed. */
struct deal_step {
	enum wire_type	 type;
	const char	*id;		/* of the proposal; a new one's is ours */
	const char	*to, *task, *currency, *payment_code, *terms, *reason,
			*proof;
	double		 amount;
	int64_t		 expires;	/* seconds */
};
#define DEAL_STEP(t) { .type = (t), .amount = -1, .expires = -1 }

/* An id for the message: a new proposal's is the proposal's too. */
#define DEAL_ID_MAX	PROPOSAL_ID_MAX
void	deal_make_id(const struct deal_step *, char id[DEAL_ID_MAX])
	    AC_NONNULL(1, 2);

/* Append the step as an unsigned message. Failure shows in buf_err(). */
void	deal_print(struct buf *out, const struct deal_step *, const char *id)
	    AC_NONNULL(1, 2, 3);

/*
 * Would a relay take it? Parses the message that deal_print() made into m,
 * which borrows from it. 0; AC_E_INVALID_MSG, and *why is a sentence, static
 * or m's; -ENOMEM.
 */
int	deal_check(struct wire_msg *m, const struct buf *message,
	    const char **why) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/*
 * Sign the step, send it and wait for the relay's word, which replaces what
 * answer holds. The signature's chain needs the step before, which the relay
 * is asked for first. message, m and id: as above. Errors: call_do()'s;
 * -ENOKEY: without a key nothing is signed; -EBADMSG: nor is what follows a
 * step that the relay tells otherwise than the other agent signed it.
 */
int	deal_call(struct call *, const struct ident *, const struct deal_step *,
	    const struct wire_msg *m, const struct buf *message,
	    const char *id, struct buf *answer, int64_t timeout_ms)
	    AC_NONNULL(1, 3, 4, 5, 6, 7) AC_MUST_CHECK;

#endif
