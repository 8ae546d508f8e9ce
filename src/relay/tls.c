/*
 * tls.c - the relay's certificate: checked before it is used, replaced on
 * SIGHUP.
 *
 * libwebsockets loads a new pair into the context that is in use and reports
 * success whatever comes of it. So the pair is first loaded into a scratch
 * context: only a whole one gets further.
 */
#include "config.h"

#include "relay/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/log.h"
#include "relay/loop.h"

static int
explain(char **why, const char *what, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	if (asprintf(why, "%s %s: %s.", what, file, text) < 0)
		*why = NULL;
	return -EINVAL;
}

int
tls_check(const char *cert, const char *key, char **why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int rc = 0;

	ERR_clear_error();
	if (ctx == NULL)
		return -ENOMEM;
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		rc = explain(why, "Can't use the certificate", cert);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		rc = explain(why, "Can't use the key", key);
	else if (SSL_CTX_check_private_key(ctx) != 1)
		rc = explain(why, "The certificate does not belong to the key",
		    key);
	SSL_CTX_free(ctx);
	return rc;
}

void
tls_reload(struct relay *r)
{
	char *why = NULL;

	if (r->conf.cert == NULL)
		return;
	if (tls_check(r->conf.cert, r->conf.key, &why) < 0) {
		log_error("tls", "err", why, "does",
		    "keeps the certificate it has", NULL);
		free(why);
		return;
	}
	loop_new_certificate(r);
	log_info("tls", "cert", r->conf.cert, "does",
	    "uses it for new connections", NULL);
}
