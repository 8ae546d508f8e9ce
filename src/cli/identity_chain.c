/*
 * identity_chain.c - agentchat identity: a key's successors and its end.
 */
#include "config.h"

#include "cli/identity.h"

#include <errno.h>

#include "base/err.h"
#include "cli/out.h"

/* The history can't be continued. */
static int
refused(const struct identity_job *j, int rc)
{
	if (rc == AC_E_VERIFICATION_FAILED)
		return cmd_fail(j->cmd, EXIT_FAILED, "%s: its history is "
		    "broken: --verify-chain says where", j->shown);
	if (rc == -E2BIG)
		return cmd_fail(j->cmd, EXIT_FAILED, "%s: its history is "
		    "full: generate a new key", j->shown);
	return cmd_fail(j->cmd, cmd_code(rc), "%s: %s", j->shown,
	    ac_strerror(rc));
}

int
identity_rotate(struct identity_job *j, struct pass *p)
{
	struct ident *next = NULL;
	char id[IDENT_ID_MAX];
	int code, rc;

	code = identity_load(j, true, p);
	/* A locked one stays locked, with the words that opened it. */
	if (code == EXIT_OK && j->lock && !ident_locked(j->id))
		code = pass_read(p, j->cmd, j->pass_fd,
		    "Passphrase for the new key: ", true);
	if (code != EXIT_OK)
		return code;
	rc = ident_rotate(&next, j->id);
	if (rc < 0)
		return refused(j, rc);
	code = identity_save(j, next, p, true);
	if (code == EXIT_OK) {
		ident_key_id(ident_pub(j->id), 8, id);
		cmd_say(j->cmd, "%s: the key of %s is replaced; programs that "
		    "run with it go on until they are started again",
		    j->shown, id);
		code = identity_print_id(j, next);
	}
	ident_free(next);
	return code;
}

int
identity_revoke(struct identity_job *j, struct pass *p)
{
	struct buf b = BUF_INIT;
	int code, rc;

	code = identity_load(j, true, p);
	if (code != EXIT_OK)
		return code;
	rc = ident_revoke(j->id, j->reason != NULL ? j->reason : "");
	if (rc == -EINVAL)
		return cmd_usage(j->cmd, "the reason is UTF-8 text of %d "
		    "bytes at most", IDENT_REASON_MAX - 1);
	if (rc < 0)
		return refused(j, rc);
	/* The lock that the file has is kept as it is. */
	pass_wipe(p);
	code = identity_save(j, j->id, p, true);
	if (code != EXIT_OK)
		return code;
	cmd_say(j->cmd, "%s: revoked; give the line printed here to those "
	    "who know the key", j->shown);
	ident_card(j->id, &b);
	buf_addc(&b, '\n');
	code = out_put(&b);
	buf_fini(&b);
	return code;
}

/* From which id to which, and over how many links. */
static void
verify_report(const struct identity_job *j, struct buf *b)
{
	size_t links = ident_chain_len(j->id);
	const unsigned char *first = ident_pub(j->id);
	const char *reason;
	int64_t ts;

	if (links > 0)
		first = ident_chain_link(j->id, 0, &ts);
	ts = ident_revoked(j->id, &reason);
	if (j->cl.json) {
		buf_adds(b, "{\"ok\":true,\"first\":\"");
		identity_add_id(b, first);
		buf_adds(b, "\",\"last\":\"");
		identity_add_id(b, ident_pub(j->id));
		buf_addf(b, "\",\"rotations\":%zu,\"revoked\":%s}\n", links,
		    ts != 0 ? "true" : "false");
		return;
	}
	if (links > 0) {
		identity_add_id(b, first);
		buf_adds(b, " -> ");
	}
	identity_add_id(b, ident_pub(j->id));
	buf_addf(b, ": good, %zu rotation%s%s\n", links,
	    links == 1 ? "" : "s", ts != 0 ? ", revoked" : "");
}

int
identity_verify(struct identity_job *j, struct pass *p)
{
	struct buf b = BUF_INIT;
	size_t at;
	int code, rc;

	code = identity_load(j, false, p);
	if (code != EXIT_OK)
		return code;
	rc = ident_chain_verify(j->id, &at);
	if (rc == AC_E_VERIFICATION_FAILED && at < ident_chain_len(j->id))
		return cmd_fail(j->cmd, EXIT_FAILED, "%s: rotation %zu of %zu "
		    "does not hold: the keys before it prove nothing",
		    j->shown, at + 1, ident_chain_len(j->id));
	if (rc == AC_E_VERIFICATION_FAILED)
		return cmd_fail(j->cmd, EXIT_FAILED,
		    "%s: the revocation is not the key's", j->shown);
	if (rc < 0)
		return cmd_fail(j->cmd, cmd_code(rc), "%s", ac_strerror(rc));
	verify_report(j, &b);
	code = out_put(&b);
	buf_fini(&b);
	return code;
}
