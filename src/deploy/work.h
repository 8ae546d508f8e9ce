/*
 * work.h - an operation on Akash under way: what it has open, what akt's
 * lines have told so far, and what the chain is asked.
 */
#ifndef AC_DEPLOY_WORK_H
#define AC_DEPLOY_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "deploy/deploy.h"

struct wire_value;

struct work {
	const struct deploy_akash *a;
	char		*why;
	char		*program;
	int		 dir;		/* deploy/ */
	int		 lock;
	struct buf	 home;		/* AKT_HOME */
};

/* One line of progress. */
void	work_say(const struct work *, const char *fmt, ...)
	    AC_NONNULL(1, 2) AC_PRINTF(2, 3);
/* How long akt may take: the caller's word, or otherwise. */
int64_t	work_patience(const struct work *, int64_t otherwise) AC_NONNULL(1);

/* ---------------------------------------------------------------- flow.c */

/* The steps that matter: bits of done. */
enum {
	FLOW_CREATED = 1, FLOW_LEASED = 2, FLOW_SENT = 4, FLOW_CLOSED = 8,
	FLOW_UP = FLOW_CREATED | FLOW_LEASED | FLOW_SENT
};

/* akt's lines, as they come. */
struct flow {
	struct work	*w;
	const char	*workflow;	/* that they must be of */
	struct deploy_record *rec;	/* NULL: only to listen */
	int64_t		 duration_ms;
	unsigned	 done;		/* steps completed or skipped */
	char		 failed[64];	/* the step that failed first */
	char		 error[256];	/* and what it said */
	char		 noise[200];	/* last line of standard error */
	bool		 garbage;
	bool		 doubt;		/* pending is of an earlier one too */
	int		 record_rc;	/* first failure to write the record */
};

/* For akt_run(): its standard output and error; arg is the flow. */
void	flow_line(void *arg, const char *line, size_t len) AC_NONNULL(1, 2);
void	flow_noise(void *arg, const char *line, size_t len) AC_NONNULL(1, 2);

/* What the run came to, with why; rc is akt_run()'s. */
int	flow_judge(const struct flow *, unsigned wanted, int rc) AC_NONNULL(1);

/* A dseq: digits in a string, or a whole number; 0 if it is none. */
uint64_t flow_dseq(const struct wire_value *) AC_NONNULL(1);
/* A string that fits; else out stays as it is. */
void	flow_copy(char *out, size_t max, const struct wire_value *)
	    AC_NONNULL(1, 3);

/* ----------------------------------------------------------------- ask.c */

/*
 * Which deployments of the account are active without a record? They get
 * one. Returns how many there were, or an error. The pending record goes if
 * there were some, or if none can still be on its way to the chain.
 */
int	ask_lost(struct work *, const char *network) AC_NONNULL(1, 2);

/* What the chain says of a deployment: "active", "closed", ... */
int	ask_chain(struct work *, const struct deploy_record *, char state[16])
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/* How many of the relay run, and where: what the provider says, if it does. */
void	ask_lease(struct work *, struct deploy_record *, struct buf *detail)
	    AC_NONNULL(1, 2, 3);

#endif
