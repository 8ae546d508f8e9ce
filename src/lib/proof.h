/*
 * proof.h - one agent's proof to another, through the relay: lib's own part.
 */
#ifndef AC_LIB_PROOF_H
#define AC_LIB_PROOF_H

#include "base/attr.h"
#include "base/buf.h"
#include "wire/msg.h"

struct ident;

/*
 * Append the answer to a VERIFY_REQUEST that asks us. What is signed there is
 * the bare nonce, so a nonce that could be the text of something else is not
 * answered: 16 to 128 letters, digits and "+/=_-" are. Every other text that
 * a key signs here has a '|' or a '{' in it.
 *
 * Returns 0; -ENOMSG: it asks nobody (what the asker is told), or without a
 * key; AC_E_INVALID_MSG: such a nonce; -ENOKEY, -ENOMEM.
 */
int	proof_answer(struct buf *out, const struct ident *,
	    const struct wire_msg *) AC_NONNULL(1, 3) AC_MUST_CHECK;

#endif
