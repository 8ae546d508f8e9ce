/*
 * ident.h - Ed25519 identities: keys, their names, what they sign.
 *
 * Keys are raw bytes here; on the wire and in files they are SPKI/PKCS8 PEM,
 * as Node's crypto writes them. Secret bytes live in memory that is locked
 * where the system lets us, and are wiped.
 */
#ifndef AC_IDENT_IDENT_H
#define AC_IDENT_IDENT_H

#include <errno.h>
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
#define IDENT_NONCE_MAX	36	/* base64 nonce of a box and a NUL */

#define IDENT_REASON_MAX 256	/* why a key was revoked, bytes and a NUL */

/* Linux has a word for each; elsewhere their nearest. */
#ifndef ENOKEY
#define ENOKEY		ENEEDAUTH
#endif
#ifndef EKEYREJECTED
#define EKEYREJECTED	EAUTH
#endif
#ifndef EKEYREVOKED
#define EKEYREVOKED	ESTALE
#endif

struct ident;			/* a key pair with its name */

/* Once per process, before anything else here; may be called again. */
int	ident_init(void) AC_MUST_CHECK;

/* ---- key pairs and their files (key.c, file.c, lock.c) */

/*
 * generate	a new pair; name is checked by the caller
 * load		from an identity file at dir (AT_FDCWD for a plain path): the
 *		seed's {name,pubkey,privkey,created} with PEM or base64, or the
 *		later {publicKey,privateKey,agentId,...}. -EACCES: accessible to
 *		group or world, or not ours; -ELOOP: a symbolic link; -EINVAL:
 *		not an identity, or its halves differ; -ENOENT; -ENOKEY: needs a
 *		passphrase; -EKEYREVOKED
 * load_pass	the same for one that is locked (pass may be NULL: not known).
 *		-EKEYREJECTED: not the passphrase. It takes a while, by design
 * save		0600, durable, by rename; its directory is made (0700) if only
 *		that is missing; -EEXIST unless replace, whoever was quicker
 */
enum ident_flags {
	IDENT_PUBLIC = 1,	/* do without the private half: then signing
				   is -ENOKEY, and a file without it may be
				   anybody's */
	IDENT_REVOKED = 2	/* also if it is revoked */
};
int	ident_generate(struct ident **, const char *name)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	ident_load(struct ident **, int dir, const char *path)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
int	ident_load_pass(struct ident **, int dir, const char *path,
	    unsigned flags, const char *pass, size_t pass_len)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
int	ident_save(const struct ident *, int dir, const char *path,
	    bool replace) AC_NONNULL(1, 3) AC_MUST_CHECK;
void	ident_free(struct ident *);		/* wipes; NULL accepted */

const char *ident_name(const struct ident *) AC_NONNULL(1);
const char *ident_created(const struct ident *) AC_NONNULL(1);	/* ISO time */
const unsigned char *ident_pub(const struct ident *) AC_NONNULL(1);

/*
 * Save the private half under a passphrase from now on: Argon2id, then
 * XSalsa20-Poly1305. One that was loaded with a passphrase keeps it.
 * -EINVAL: empty; -ENOMEM (it needs 64 MiB).
 */
int	ident_lock(struct ident *, const char *pass, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
bool	ident_locked(const struct ident *) AC_NONNULL(1);

/* ---- the history of an identity (chain.c) */

/*
 * A key is replaced by rotation: the old key and the new one both sign that
 * the one follows the other, and the link stays in the file. So who trusted
 * the first key can follow to the last. A revocation ends the chain.
 *
 * rotate	a fresh pair with old's name and chain, and one link more; not
 *		locked. -ENOKEY, -EKEYREVOKED; -E2BIG: IDENT_LINKS_MAX;
 *		AC_E_VERIFICATION_FAILED: old's chain does not hold
 * revoke	-EINVAL: reason is no UTF-8 or too long; else as above
 * verify	0, or AC_E_VERIFICATION_FAILED and in *at the first link (from 0)
 *		that is wrong; the number of links: the revocation
 * link		the key that was replaced by link i, and when; borrowed
 * revoked	when (0: it isn't), and in *reason why; borrowed
 * card		append the public part as one JSON object: name, agent_id,
 *		pubkey, created, chain, revoked. load_pass(IDENT_PUBLIC |
 *		IDENT_REVOKED) reads it back
 */
#define IDENT_LINKS_MAX	128
int	ident_rotate(struct ident **, const struct ident *old)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	ident_revoke(struct ident *, const char *reason)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
int	ident_chain_verify(const struct ident *, size_t *at)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
size_t	ident_chain_len(const struct ident *) AC_NONNULL(1);
const unsigned char *ident_chain_link(const struct ident *, size_t i,
	    int64_t *ts_ms) AC_NONNULL(1, 3);
int64_t	ident_revoked(const struct ident *, const char **reason)
	    AC_NONNULL(1, 2);
void	ident_card(const struct ident *, struct buf *out) AC_NONNULL(1, 2);

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
/* Is this the id of that key, short or long? */
bool	ident_key_fits(const unsigned char key[IDENT_KEY_LEN], const char *id)
	    AC_NONNULL(1, 2);

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

/* ---- encryption (box.c) */

/*
 * seal		encrypt len bytes so that only `to` and the sender can read
 *		them, and both know that one of them wrote it. The box, base64,
 *		is appended. The same input gives the same nonce and box
 * open		the opposite, by either of them: from is the other one's key.
 *		The text is appended
 *
 * -ENOKEY: the private half is missing; AC_E_VERIFICATION_FAILED: not such a
 * box, not by these keys, or a key that is none; -ENOMEM.
 */
int	ident_seal(const struct ident *, const unsigned char to[IDENT_KEY_LEN],
	    const void *text, size_t len, char nonce[IDENT_NONCE_MAX],
	    struct buf *box) AC_NONNULL(1, 2, 3, 5, 6) AC_MUST_CHECK;
int	ident_open(const struct ident *,
	    const unsigned char from[IDENT_KEY_LEN], const char *nonce,
	    size_t nonce_len, const char *box, size_t box_len,
	    struct buf *text) AC_NONNULL(1, 2, 3, 5, 7) AC_MUST_CHECK;

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
