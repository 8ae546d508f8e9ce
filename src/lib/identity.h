/*
 * identity.h - the key pair behind a public identity: lib's own.
 */
#ifndef AC_LIB_IDENTITY_H
#define AC_LIB_IDENTITY_H

#include "base/attr.h"
#include "ident/ident.h"

struct agentchat_identity;

/* Borrowed, as long as the identity lives. */
const struct ident *identity_ident(const struct agentchat_identity *)
	    AC_NONNULL(1);

#endif
