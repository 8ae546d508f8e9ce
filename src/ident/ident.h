/*
 * ident.h - Ed25519 identities: keys, their names, what they sign.
 *
 * Keys are raw bytes here; on the wire and in files they are SPKI/PKCS8 PEM,
 * as Node's crypto writes them. Secret bytes live in memory that is locked
 * where the system lets us, and are wiped.
 */
#ifndef AC_IDENT_IDENT_H
#define AC_IDENT_IDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define IDENT_KEY_LEN	32	/* bytes of a public key */
#define IDENT_PEM_MAX	128	/* SPKI PEM is 113 bytes and a NUL */
#define IDENT_ID_MAX	20	/* "@" and 16 hex digits, and a NUL */
#define IDENT_SIG_MAX	92	/* base64 signature and a NUL */
#define IDENT_B64_MAX	48	/* base64 public key and a NUL */

struct ident;			/* a key pair with its name */

/* Once per process, before anything else here; may be called again. */
int	ident_init(void) AC_MUST_CHECK;

/*
 * generate	a new pair; name is checked by the caller
 * load		from an identity file at dir (AT_FDCWD for a plain path): the
 *		seed's {name,pubkey,privkey,created} with PEM or base64, or the
 *		later {publicKey,privateKey,agentId,...}. -EACCES: readable by
 *		group or world; -EINVAL: not an identity, or its halves differ;
 *		-ENOENT; -ENOKEY: needs a passphrase
 * save		0600, durable, by rename; -EEXIST unless replace
 */
int	ident_generate(struct ident **, const char *name)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	ident_load(struct ident **, int dir, const char *path)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
int	ident_save(const struct ident *, int dir, const char *path,
	    bool replace) AC_NONNULL(1, 3) AC_MUST_CHECK;
void	ident_free(struct ident *);		/* wipes; NULL accepted */

const char *ident_name(const struct ident *) AC_NONNULL(1);
const char *ident_created(const struct ident *) AC_NONNULL(1);	/* ISO time */
const unsigned char *ident_pub(const struct ident *) AC_NONNULL(1);

/* ---- public keys as text (pem.c) */

/*
 * Read a key: SPKI PEM (any line breaks), or 44 characters of base64.
 * -EINVAL: neither, trailing junk, or a point of small order or not on the
 * curve. Both forms and any padding name the same key.
 */
int	ident_key_parse(unsigned char key[IDENT_KEY_LEN], const char *text,
	    size_t len) AC_NONNULL(1, 2) AC_MUST_CHECK;
/* The canonical PEM, byte for byte as Node's key generator writes it. */
void	ident_key_pem(const unsigned char key[IDENT_KEY_LEN],
	    char out[IDENT_PEM_MAX]) AC_NONNULL(1, 2);
void	ident_key_b64(const unsigned char key[IDENT_KEY_LEN],
	    char out[IDENT_B64_MAX]) AC_NONNULL(1, 2);
/* "@" and the first digits (8 or 16) of SHA-256 over the canonical PEM. */
void	ident_key_id(const unsigned char key[IDENT_KEY_LEN], int digits,
	    char out[IDENT_ID_MAX]) AC_NONNULL(1, 3);

/* ---- signatures (sign.c) */

/* base64 Ed25519 over len bytes. */
int	ident_sign(const struct ident *, const void *, size_t len,
	    char sig[IDENT_SIG_MAX]) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
/*
 * 0: good. AC_E_VERIFICATION_FAILED: not (S + L, small order, junk around the
 * base64 and other spellings of it included).
 */
int	ident_verify(const unsigned char key[IDENT_KEY_LEN], const void *,
	    size_t len, const char *sig, size_t sig_len)
	    AC_NONNULL(1, 2, 4) AC_MUST_CHECK;

/* ---- proof of possession (auth.c) */

/*
 * The texts of VERIFY_IDENTITY: AGENTCHAT_AUTH|nonce|challenge_id|timestamp,
 * and with the relay's name bound in,
 * AGENTCHAT_AUTH2|host:port|nonce|challenge_id|timestamp. Appended to out.
 */
void	ident_auth_text(struct buf *out, const char *nonce,
	    const char *challenge_id, int64_t timestamp) AC_NONNULL(1, 2, 3);
void	ident_auth2_text(struct buf *out, const char *hostport,
	    const char *nonce, const char *challenge_id, int64_t timestamp)
	    AC_NONNULL(1, 2, 3, 4);

/* Lower-case hex SHA-256 of len bytes: 64 digits and a NUL. */
void	ident_sha256(const void *, size_t len, char out[65])
	    AC_NONNULL(1, 3);

#endif
