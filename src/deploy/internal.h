/*
 * internal.h - what the files of this folder share.
 */
#ifndef AC_DEPLOY_INTERNAL_H
#define AC_DEPLOY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "deploy/deploy.h"

/* Put the sentence into why; returns rc, so that a failure is one line. */
int	why_say(char why[DEPLOY_WHY_MAX], int rc, const char *fmt, ...)
	    AC_NONNULL(1, 3) AC_PRINTF(3, 4);

/* -------------------------------------------------------------- value.c */

/* One value of a setting. 0 or -EINVAL with why: what is wrong with it. */
typedef int value_fn(void *field, const char *text, char why[DEPLOY_WHY_MAX]);

value_fn value_provider, value_image, value_name, value_host, value_domain,
	 value_network, value_path, value_port, value_cpu, value_bytes,
	 value_duration, value_price, value_deposit, value_count, value_bool;

/* Back to text, as a setting takes it: "512Mi", "0.5", "24h". */
void	put_bytes(struct buf *, int64_t bytes) AC_NONNULL(1);
void	put_milli(struct buf *, int64_t milli) AC_NONNULL(1);
void	put_micro(struct buf *, int64_t micro) AC_NONNULL(1);
void	put_span(struct buf *, int64_t ms) AC_NONNULL(1);

/* A double-quoted YAML (and JSON) string. */
void	put_quoted(struct buf *, const char *) AC_NONNULL(1, 2);

/* The relay's argv in the container, as a flow sequence. */
void	put_serve(struct buf *, const struct deploy_conf *) AC_NONNULL(1, 2);

/* ------------------------------------------------------------- record.c */

/*
 * Records of deployments, in deploy/ of the root: one file each, replaced
 * durably. The one without dseq is that of an akt under way.
 */
int	record_write(int dir, const struct deploy_record *)
	    AC_NONNULL(2) AC_MUST_CHECK;
/* -ENOENT; -EINVAL: it is no record. */
int	record_read(int dir, const char *network, uint64_t dseq,
	    struct deploy_record *) AC_NONNULL(2, 4) AC_MUST_CHECK;
int	record_forget_pending(int dir, const char *network)
	    AC_NONNULL(2) AC_MUST_CHECK;
int	record_each(int dir, deploy_record_fn *, void *arg, size_t *bad)
	    AC_NONNULL(2) AC_MUST_CHECK;

/* ------------------------------------------------------------- wallet.c */

/*
 * {"version":1,"network":...,"address":...,"pubkey":...,"mnemonic":...,
 * "created":...}: only its owner may read it, and it is no symbolic link.
 */
struct wallet {
	char	address[96];
	char	mnemonic[400];	/* and a newline, as akt wants it */
};

/* -EACCES, -EINVAL, ... with why, which has nothing of the mnemonic. */
int	wallet_open(struct wallet *, const char *path, const char *network,
	    char why[DEPLOY_WHY_MAX]) AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;
void	wallet_close(struct wallet *) AC_NONNULL(1);	/* overwrites it */

/* --------------------------------------------------------------- home.c */

/*
 * AKT_HOME of a network, below deploy/: made ready once, with the wallet's
 * key in a keyring of its own. Without a wallet it must be ready.
 *
 *	path	out: for akt's environment
 */
int	home_open(const struct deploy_akash *, int dir, const char *program,
	    const char *network, const char *wallet, struct buf *path,
	    char why[DEPLOY_WHY_MAX])
	    AC_NONNULL(1, 3, 4, 5, 6, 7) AC_MUST_CHECK;
/* The commands that make it ready, for people. */
void	home_plan(struct buf *, const char *network) AC_NONNULL(1, 2);

#define DEPLOY_BID_TIMEOUT "5m"
#define DEPLOY_ASK_MS	(INT64_C(2) * 60000)	/* for a question or a close */

#define DEPLOY_SPOOL	"/var/lib/agentchat"
#define DEPLOY_CERT	"/run/agentchat/cert.pem"
#define DEPLOY_KEY	"/run/agentchat/key.pem"

#endif
