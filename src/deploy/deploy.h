/*
 * deploy.h - a relay on Docker or Akash: settings, what is generated from
 * them, and the way through akt, Akash's own program.
 *
 * Functions that take why[DEPLOY_WHY_MAX] put a sentence for people there
 * when they fail. It may hold bytes from a file or from akt: escape it before
 * it goes to a terminal. No mnemonic is ever in it.
 */
#ifndef AC_DEPLOY_DEPLOY_H
#define AC_DEPLOY_DEPLOY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

#define DEPLOY_WHY_MAX	512
#define DEPLOY_FILE_MAX	(64 << 10)	/* bytes of deploy.yaml, of a wallet */
#define DEPLOY_PORT	6667		/* inside, where the port wants root */
#define DEPLOY_UID	10001		/* of the relay in its container */
#define DEPLOY_IMAGE	"ghcr.io/you/agentchat:" PACKAGE_VERSION /* for example */

enum deploy_provider { DEPLOY_NONE, DEPLOY_DOCKER, DEPLOY_AKASH };

/* Settings, all of them checked by themselves. */
struct deploy_conf {
	enum deploy_provider provider;
	char		 image[256];
	char		 name[65];	/* the relay's; "": its host name */
	char		 host[46];	/* docker: where it is published */
	char		 domain[254];	/* "": the provider's own */
	char		 network[64];	/* "": default of the provider */
	char		 wallet[1024];
	char		 cert[1024], key[1024];	/* here; or both "" */
	int64_t		 port;
	int64_t		 cpu_milli;	/* thousandths of a core */
	int64_t		 memory, storage; /* bytes, multiples of 1024 */
	int64_t		 duration_ms;
	int64_t		 price_micro;	/* of a uact per block, each relay */
	int64_t		 deposit;	/* uact; 0: price * duration */
	int64_t		 count;
	int		 volumes;	/* keep messages; -1: by provider */
};

/* -------------------------------------------------------------- config.c */

void	deploy_conf_init(struct deploy_conf *) AC_NONNULL(1);

/* The key of setting number i ("resources.cpu"), or NULL behind the last. */
const char *deploy_conf_key(size_t i);

/* One setting from text, as in the file. 0; -ENOENT: no such key; -EINVAL. */
int	deploy_conf_set(struct deploy_conf *, const char *key,
	    const char *value, char why[DEPLOY_WHY_MAX])
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;

/*
 * Settings from YAML; file is its name in messages: "FILE:LINE:COLUMN: ...".
 * -EINVAL leaves the conf half filled.
 */
int	deploy_conf_parse(struct deploy_conf *, const char *file,
	    const char *text, size_t len, char why[DEPLOY_WHY_MAX])
	    AC_NONNULL(1, 2, 3, 5) AC_MUST_CHECK;

/* Do the settings go together, and is nothing missing? 0 or -EINVAL. */
int	deploy_conf_check(const struct deploy_conf *, char why[DEPLOY_WHY_MAX])
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* No tag or ":latest", and no digest: another image tomorrow. */
bool	deploy_image_floats(const struct deploy_conf *) AC_NONNULL(1);
const char *deploy_network(const struct deploy_conf *) AC_NONNULL(1);
/* Where the relay listens in its container. */
int64_t	deploy_inner_port(const struct deploy_conf *) AC_NONNULL(1);
bool	deploy_keeps(const struct deploy_conf *) AC_NONNULL(1); /* volumes? */
/* What is put down at most, in uact: the deposit. Nothing tops it up. */
int64_t	deploy_ceiling(const struct deploy_conf *) AC_NONNULL(1);

/* ------------------------------------------------------ docker.c, sdl.c */

/* Each appends one file; out of memory shows in buf_err(). */
void	deploy_put_dockerfile(struct buf *, const struct deploy_conf *)
	    AC_NONNULL(1, 2);
void	deploy_put_compose(struct buf *, const struct deploy_conf *)
	    AC_NONNULL(1, 2);
void	deploy_put_dockerignore(struct buf *) AC_NONNULL(1);
void	deploy_put_sdl(struct buf *, const struct deploy_conf *)
	    AC_NONNULL(1, 2);
/* A commented deploy.yaml with these settings. */
void	deploy_put_example(struct buf *, const struct deploy_conf *)
	    AC_NONNULL(1, 2);

/* --------------------------------------------------------------- files.c */

struct deploy_file {
	const char	*name;
	struct buf	 text;
};

/*
 * Write all files into dir (made if it isn't there), or none: -EEXIST and
 * their names in why if some are there with another content, unless force.
 */
int	deploy_write(const char *dir, const struct deploy_file *, size_t n,
	    bool force, char why[DEPLOY_WHY_MAX])
	    AC_NONNULL(1, 2, 5) AC_MUST_CHECK;

/* Append a whole regular file. -EFBIG beyond DEPLOY_FILE_MAX. */
int	deploy_read(const char *path, struct buf *out)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* --------------------------------------------------------------- akash.c */

/* One deployment on Akash, as its record has it. Numbers: -1 if not known. */
struct deploy_record {
	uint64_t	 dseq;		/* 0: never learnt */
	char		 network[64];
	char		 state[16];	/* creating active failed found
					   closed */
	char		 image[256];
	char		 provider[128];
	char		 uri[256];	/* the first */
	int64_t		 created_ms, expires_ms; /* wall clock */
	int64_t		 deposit;	/* uact */
};

/* Progress, for people: one line without newline. */
typedef void deploy_say_fn(void *arg, const char *line);

struct deploy_akash {
	int		 root;		/* of the spools; deploy/ is in it */
	const char	*root_path;	/* the same, for akt's command line */
	const char	*akt;		/* program; NULL: akt in $PATH */
	const char	*wallet;	/* file; "": the key is there */
	int64_t		 timeout_ms;	/* for one run of akt; -1: default */
	deploy_say_fn	*say;
	void		*arg;
};

/*
 * What akt will be run with, argv by argv, for people. Nothing is run.
 */
void	deploy_akash_plan(struct buf *, const struct deploy_akash *,
	    const struct deploy_conf *) AC_NONNULL(1, 2, 3);

/* Is akt there? 0 or -ENOENT. */
int	deploy_akash_find(const struct deploy_akash *)
	    AC_NONNULL(1) AC_MUST_CHECK;

/*
 * Those below run akt. It ends in an orderly way on SIGINT, SIGTERM and
 * SIGHUP if the caller blocks them: -EINTR then, and the signal stays pending.
 *
 * Create the deployment, choose the cheapest bid, lease, send the manifest.
 * *rec is filled as far as it came, also on failure: rec->dseq != 0 is a
 * deployment that exists and costs; its record is on disk since akt told it.
 *
 * 0; -ENOENT: no akt, no wallet; -ETIMEDOUT: no bids, or akt took too long;
 * -EINTR; -EBUSY: another deploy runs; -EPROTO: akt said what we don't
 * understand; -EACCES: the wallet; -EIO: akt could not do it.
 */
int	deploy_akash_up(const struct deploy_akash *, const struct deploy_conf *,
	    struct deploy_record *rec, char why[DEPLOY_WHY_MAX])
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;

/* Close one. -ENOENT: no record of it. Errors as above. */
int	deploy_akash_close(const struct deploy_akash *, uint64_t dseq,
	    char why[DEPLOY_WHY_MAX]) AC_NONNULL(1, 3) AC_MUST_CHECK;

/* Ask the chain; *rec is the record, brought up to date; detail, a line. */
int	deploy_akash_status(const struct deploy_akash *, uint64_t dseq,
	    struct deploy_record *rec, struct buf *detail,
	    char why[DEPLOY_WHY_MAX])
	    AC_NONNULL(1, 3, 4, 5) AC_MUST_CHECK;

/*
 * What came of a deploy on that network that was killed before it knew its
 * dseq, and left a record with 0: the chain is asked, what it has gets a
 * record of its own, and that one goes, unless a deployment may still be on
 * its way to the chain. Errors as above; then it stays.
 */
int	deploy_akash_settle(const struct deploy_akash *, const char *network,
	    char why[DEPLOY_WHY_MAX]) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/*
 * Every record, oldest first; nobody is asked. fn's non-zero result ends the
 * walk and is returned. *bad, if not NULL, counts records that can't be read.
 */
typedef int deploy_record_fn(void *arg, const struct deploy_record *);
int	deploy_akash_each(const struct deploy_akash *, deploy_record_fn *,
	    void *arg, size_t *bad) AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
