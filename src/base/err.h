/*
 * err.h - what went wrong, as one int: 0, a negative errno for the system, or
 * a code below -1000 for a refusal that has a word in the protocol.
 */
#ifndef AC_BASE_ERR_H
#define AC_BASE_ERR_H

#include <stddef.h>

#include "base/attr.h"

/*
 * The refusals: word on the wire, and the sentence said where the refusing
 * code has nothing more precise to say. Codes are stable: append only.
 */
#define AC_REFUSALS(X) \
	X(AUTH_REQUIRED, "Send IDENTIFY first.") \
	X(CHANNEL_NOT_FOUND, \
	    "No such channel: LIST_CHANNELS shows them, " \
	    "CREATE_CHANNEL makes one.") \
	X(NOT_INVITED, "Ask a member of this channel to INVITE you.") \
	X(INVALID_MSG, "This is not a message of the protocol.") \
	X(RATE_LIMITED, "Too many messages: wait a second and send it again.") \
	X(AGENT_NOT_FOUND, \
	    "No such agent: LIST_AGENTS shows who is in a channel.") \
	X(CHANNEL_EXISTS, "This name is taken: choose another.") \
	X(INVALID_NAME, \
	    "Names are 1 to 32 letters, digits, '_' and '-'; " \
	    "channels start with '#'.") \
	X(PROPOSAL_NOT_FOUND, "No such proposal: check its id.") \
	X(PROPOSAL_EXPIRED, "This proposal has expired: ask for a new one.") \
	X(INVALID_PROPOSAL, "This can't be done to the proposal as it is.") \
	X(SIGNATURE_REQUIRED, \
	    "Sign this with your key: identify with a pubkey first.") \
	X(NOT_PROPOSAL_PARTY, "Only a party to the proposal may do this.") \
	X(MAILBOX_FULL, \
	    "This agent is away and its mailbox is full: try again later.") \
	X(VERIFICATION_FAILED, "The signature does not fit the key.") \
	X(VERIFICATION_EXPIRED, "The challenge has expired: connect again.") \
	X(NOT_ALLOWED, "This relay does not allow it: ask its operator.") \
	X(BANNED, "This relay has banned you: ask its operator.")

enum {
	AC_ORD_NONE,
#define AC_ENUM_(word, text) AC_ORD_##word,
	AC_REFUSALS(AC_ENUM_)
#undef AC_ENUM_
	AC_ORD_COUNT
};

enum ac_refusal {
#define AC_ENUM_(word, text) AC_E_##word = -1000 - AC_ORD_##word,
	AC_REFUSALS(AC_ENUM_)
#undef AC_ENUM_
};

/*
 * A sentence for people: the refusal's text, or strerror() of the errno.
 * rc is 0 or negative; the result is static or thread-local, never NULL.
 */
const char *ac_strerror(int rc);

/* The refusal's word ("RATE_LIMITED"), static; NULL where rc has none. */
const char *ac_errword(int rc);

/*
 * What a relay says of a refusal, without the word where the text begins with
 * it: who shows both says it once. Part of text.
 */
const char *ac_errtext(const char *word, const char *text) AC_NONNULL(1, 2);

/* The code of a word, which need not be NUL-terminated; 0 if unknown. */
int	ac_errcode(const char *word, size_t len) AC_NONNULL(1);

#endif
