/*
 * auth.c - what is signed and hashed when a key proves itself.
 */
#include "config.h"

#include "ident/ident.h"

#include <inttypes.h>
#include <sodium.h>

void
ident_auth_text(struct buf *out, const char *nonce, const char *challenge_id,
    int64_t timestamp)
{
	buf_addf(out, "AGENTCHAT_AUTH|%s|%s|%" PRId64, nonce, challenge_id,
	    timestamp);
}

void
ident_auth2_text(struct buf *out, const char *hostport, const char *nonce,
    const char *challenge_id, int64_t timestamp)
{
	buf_addf(out, "AGENTCHAT_AUTH2|%s|%s|%s|%" PRId64, hostport, nonce,
	    challenge_id, timestamp);
}

void
ident_sha256(const void *p, size_t len, char out[65])
{
	unsigned char sum[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(sum, p, len);
	sodium_bin2hex(out, 65, sum, sizeof(sum));
}
