/*
 * identity.c - the public face of a key pair.
 */
#include "config.h"

#include "lib/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lib/agentchat.h"
#include "wire/msg.h"

struct agentchat_identity {
	struct ident	*ident;
	char		 id[IDENT_ID_MAX];
	char		 pem[IDENT_PEM_MAX];
	struct buf	 card;
};

const struct ident *
identity_ident(const struct agentchat_identity *i)
{
	return i->ident;
}

/* Takes over the ident, also when it fails. */
static int
wrap(struct agentchat_identity **out, struct ident *ident)
{
	struct agentchat_identity *i = calloc(1, sizeof(*i));
	int rc = -ENOMEM;

	if (i != NULL) {
		i->ident = ident;
		ident_key_id(ident_pub(ident), 8, i->id);
		ident_key_pem(ident_pub(ident), i->pem);
		ident_card(ident, &i->card);
		rc = buf_err(&i->card);
	} else {
		ident_free(ident);
	}
	if (rc < 0) {
		agentchat_identity_free(i);
		return rc;
	}
	*out = i;
	return 0;
}

int
agentchat_identity_generate(struct agentchat_identity **out, const char *name)
{
	struct ident *ident;
	int rc;

	if (!wire_agent_name_ok(name, strlen(name)))
		return AC_E_INVALID_NAME;
	rc = ident_init();
	if (rc == 0)
		rc = ident_generate(&ident, name);
	return rc < 0 ? rc : wrap(out, ident);
}

int
agentchat_identity_load(struct agentchat_identity **out, const char *path,
    const char *pass)
{
	struct ident *ident;
	int rc = ident_init();

	if (rc == 0 && pass != NULL)
		rc = ident_load_pass(&ident, AT_FDCWD, path, 0, pass,
		    strlen(pass));
	else if (rc == 0)
		rc = ident_load(&ident, AT_FDCWD, path);
	return rc < 0 ? rc : wrap(out, ident);
}

int
agentchat_identity_save(struct agentchat_identity *i, const char *path,
    const char *pass, int replace)
{
	int rc = pass != NULL ? ident_lock(i->ident, pass, strlen(pass)) : 0;

	return rc < 0 ? rc : ident_save(i->ident, AT_FDCWD, path,
	    replace != 0);
}

void
agentchat_identity_free(struct agentchat_identity *i)
{
	if (i == NULL)
		return;
	ident_free(i->ident);
	buf_fini(&i->card);
	free(i);
}

const char *
agentchat_identity_name(const struct agentchat_identity *i)
{
	return ident_name(i->ident);
}

const char *
agentchat_identity_id(const struct agentchat_identity *i)
{
	return i->id;
}

const char *
agentchat_identity_pubkey(const struct agentchat_identity *i)
{
	return i->pem;
}

const char *
agentchat_identity_export(const struct agentchat_identity *i)
{
	return i->card.p;
}
