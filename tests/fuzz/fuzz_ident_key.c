/*
 * fuzz_ident_key.c - a text is a key or it isn't; if it is, it has one PEM and
 * one base64, both of which name it, and no text is public and private.
 */
#include "config.h"

#include "fuzz.h"

#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "ident/internal.h"

static void
check_public(const unsigned char key[IDENT_KEY_LEN])
{
	unsigned char again[IDENT_KEY_LEN];
	char pem[IDENT_PEM_MAX], b64[IDENT_B64_MAX];

	ident_key_pem(key, pem);
	MUST(strlen(pem) == 113);
	MUST(ident_key_parse(again, pem, strlen(pem)) == 0);
	MUST(memcmp(key, again, sizeof(again)) == 0);
	ident_key_b64(key, b64);
	MUST(ident_key_parse(again, b64, strlen(b64)) == 0);
	MUST(memcmp(key, again, sizeof(again)) == 0);
}

static void
check_private(const unsigned char seed[SEED_LEN])
{
	unsigned char again[SEED_LEN];
	char pem[PRIV_PEM_MAX];

	pem_private(seed, pem);
	MUST(strlen(pem) == 119);
	MUST(pem_private_read(again, pem, strlen(pem)) == 0);
	MUST(memcmp(seed, again, sizeof(again)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned char key[IDENT_KEY_LEN], seed[SEED_LEN];
	const char *text = (const char *)data;

	MUST(ident_init() == 0);
	if (ident_key_parse(key, text, len) == 0) {
		check_public(key);
		MUST(pem_public_read(seed, text, len) == 0);
		MUST(memcmp(key, seed, sizeof(key)) == 0);
	} else if (pem_public_read(key, text, len) == 0) {
		MUST(len == 60);	/* DER without its lines */
	}
	if (pem_private_read(seed, text, len) == 0) {
		check_private(seed);
		/* 44 characters may be either: the member's name tells. */
		MUST(len == 44 || ident_key_parse(key, text, len) < 0);
	}
	/* Somebody's signature by the neutral point: never. */
	memset(key, 0, sizeof(key));
	key[0] = 1;
	MUST(ident_verify(key, text, len, text, len) ==
	    AC_E_VERIFICATION_FAILED);
	return 0;
}
