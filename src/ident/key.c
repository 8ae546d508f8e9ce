/*
 * key.c - key pairs, in memory that is guarded, locked and wiped.
 */
#include "config.h"

#include "ident/ident.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "ident/internal.h"

int
ident_init(void)
{
	/* Safe to repeat, and then it does nothing. */
	return sodium_init() < 0 ? -EIO : 0;
}

int
key_new(struct ident **out)
{
	int rc = ident_init();

	*out = NULL;
	if (rc < 0)
		return rc;
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

int
key_from_seed(struct ident *id, const unsigned char seed[SEED_LEN])
{
	if (id->secret == NULL)
		id->secret = sodium_malloc(SECRET_LEN);
	if (id->secret == NULL)
		return -ENOMEM;
	crypto_sign_seed_keypair(id->pub, id->secret, seed);
	return 0;
}

int
key_set_name(struct ident *id, const char *name)
{
	size_t len = strlen(name);

	if (len >= sizeof(id->name))
		return -EINVAL;
	memcpy(id->name, name, len + 1);
	return 0;
}

int
ident_generate(struct ident **out, const char *name)
{
	unsigned char seed[SEED_LEN];
	struct ident *id;
	int rc;

	*out = NULL;
	rc = key_new(&id);
	if (rc < 0)
		return rc;
	randombytes_buf(seed, sizeof(seed));
	rc = key_from_seed(id, seed);
	sodium_memzero(seed, sizeof(seed));
	if (rc == 0)
		rc = key_set_name(id, name);
	if (rc < 0) {
		ident_free(id);
		return rc;
	}
	clock_iso(clock_wall_ms(), id->created);
	*out = id;
	return 0;
}

void
ident_free(struct ident *id)
{
	if (id == NULL)
		return;
	sodium_free(id->secret);	/* wipes; takes NULL */
	free(id->chain);
	free(id);
}

const char *
ident_name(const struct ident *id)
{
	return id->name;
}

const char *
ident_created(const struct ident *id)
{
	return id->created;
}

const unsigned char *
ident_pub(const struct ident *id)
{
	return id->pub;
}
