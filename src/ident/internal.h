/*
 * internal.h - what the files of ident/ share; nobody else includes it.
 */
#ifndef AC_IDENT_INTERNAL_H
#define AC_IDENT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "ident/ident.h"
#include "wire/limits.h"
#include "wire/msg.h"

#define SEED_LEN	32	/* what an Ed25519 private key is made from */
#define SECRET_LEN	64	/* seed and public key, as libsodium signs with */
#define SIG_LEN		64
#define SIG_B64_LEN	88
#define KEY_B64_LEN	44
#define PRIV_PEM_MAX	128	/* PKCS8 PEM is 119 bytes and a NUL */

/* The seed in a box, and how to make the box's key of a passphrase. */
struct lock {
	bool		 on;
	uint64_t	 ops, mem;	/* cost of the key derivation */
	unsigned char	 salt[16];
	unsigned char	 box[72];	/* nonce, authenticator and seed */
};

struct link {
	unsigned char	 prev[IDENT_KEY_LEN], next[IDENT_KEY_LEN];
	int64_t		 ts_ms;
	char		 sig[IDENT_SIG_MAX];		/* by prev */
	char		 next_sig[IDENT_SIG_MAX];	/* by next */
};

struct revocation {
	int64_t		 ts_ms;		/* 0: not revoked */
	char		 reason[IDENT_REASON_MAX];
	char		 sig[IDENT_SIG_MAX];
};

struct ident {
	char		 name[WIRE_NAME_MAX + 1];
	char		 created[CLOCK_ISO_MAX];
	unsigned char	 pub[IDENT_KEY_LEN];
	unsigned char	*secret;	/* SECRET_LEN, guarded; NULL: not at hand */
	struct lock	 lock;
	struct link	*chain;		/* chain_len of them */
	size_t		 chain_len;
	struct revocation revoked;
};

/* ----------------------------------------------------------------- key.c */

/* An empty identity; its secret is not at hand yet. */
int	key_new(struct ident **) AC_NONNULL(1) AC_MUST_CHECK;
/* Make the pair from its seed. -ENOMEM. */
int	key_from_seed(struct ident *, const unsigned char seed[SEED_LEN])
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Copy a name; -EINVAL if it is too long. */
int	key_set_name(struct ident *, const char *) AC_NONNULL(1, 2)
	    AC_MUST_CHECK;

/* ----------------------------------------------------------------- pem.c */

/* Exactly out_len bytes from exactly the base64 that they have. */
bool	pem_b64_read(unsigned char *out, size_t out_len, const char *text,
	    size_t len) AC_NONNULL(1, 3) AC_MUST_CHECK;

/* PKCS8, as Node's key generator writes it. The caller wipes out. */
void	pem_private(const unsigned char seed[SEED_LEN],
	    char out[PRIV_PEM_MAX]) AC_NONNULL(1, 2);

/*
 * Keys as they are found in files: PEM; base64 of the raw key, or of the DER
 * that stands in the PEM; a private key also as seed and public key, the way
 * libsodium keeps it. -EINVAL; the caller wipes the seed.
 */
int	pem_public_read(unsigned char key[IDENT_KEY_LEN], const char *text,
	    size_t len) AC_NONNULL(1, 2) AC_MUST_CHECK;
int	pem_private_read(unsigned char seed[SEED_LEN], const char *text,
	    size_t len) AC_NONNULL(1, 2) AC_MUST_CHECK;

/* ---------------------------------------------------------------- lock.c */

/* Make the pair from the box. -EKEYREJECTED, -EINVAL: not what pub says. */
int	lock_open(struct ident *, const char *pass, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* "kdf":...,"privkey_box":... of the file, and back. */
void	lock_print(const struct lock *, struct buf *) AC_NONNULL(1, 2);
int	lock_read(struct lock *, const struct wire_msg *) AC_NONNULL(1, 2)
	    AC_MUST_CHECK;

/* --------------------------------------------------------------- chain.c */

/* Members "chain" and "revoked", with a comma before each; or nothing. */
void	chain_print(const struct ident *, struct buf *) AC_NONNULL(1, 2);
/* Their shape is checked here, not what they say. -EINVAL, -ENOMEM. */
int	chain_read(struct ident *, struct wire_msg *) AC_NONNULL(1, 2)
	    AC_MUST_CHECK;

#endif
