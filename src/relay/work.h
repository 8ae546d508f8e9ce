/*
 * work.h - the newest proposals, what has become of them, and the ratings
 * that came of it.
 */
#ifndef AC_RELAY_WORK_H
#define AC_RELAY_WORK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/buf.h"
#include "ident/ident.h"
#include "ledger/ledger.h"
#include "relay/rec.h"
#include "relay/store.h"
#include "wire/msg.h"

struct chan;
struct relay;

struct work {
	char		 id[PROPOSAL_ID_MAX];
	enum proposal_status status;	/* never EXPIRED: see work_status() */
	char		 from[IDENT_ID_MAX], to[IDENT_ID_MAX];
	unsigned char	 key[2][IDENT_KEY_LEN];	/* proposer's, recipient's */
	char		 sig[IDENT_SIG_MAX];	/* of the PROPOSAL */
	int64_t		 expires_ms;		/* 0: never */
	double		 amount;
	uint64_t	 pos[3];		/* records of its steps; 0: none */
	uint64_t	 again[3];		/* what tells their resends */
	char		 prev[65];		/* hash of the newest step */
	struct work	*same;		/* another with this sig */
	TAILQ_ENTRY(work) next;
};

int	works_open(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
void	works_close(struct relay *) AC_NONNULL(1);
struct work *work_by_id(struct relay *, const char *, size_t len)
	    AC_NONNULL(1, 2);
/* One of those whose PROPOSAL has this sig; ->same leads to the others. */
struct work *work_by_sig(struct relay *, const char *, size_t len)
	    AC_NONNULL(1, 2);
/* Add one (copied), perhaps in place of the oldest. -EDQUOT: no room. */
int	work_add(struct relay *, const struct work *, struct work **)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
void	work_forget(struct relay *, struct work *) AC_NONNULL(1, 2);
/* The step at pos, whose text has this hash, has been made. */
void	work_made(struct relay *, struct work *, enum wire_type,
	    enum proposal_status, const struct rec_work *, const char *hash,
	    uint64_t pos) AC_NONNULL(1, 2, 5, 6);
struct work *work_next(struct relay *, size_t *at) AC_NONNULL(1, 2);
enum proposal_status work_status(const struct work *, int64_t now_ms)
	    AC_NONNULL(1);
enum proposal_party work_party(const struct work *,
	    const unsigned char key[IDENT_KEY_LEN]) AC_NONNULL(1, 2);
/* Append the object of a step that was made. */
int	work_read(struct relay *, const struct work *, int place, struct buf *)
	    AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
/* A WORK record, at start. */
int	work_replay(struct relay *, uint64_t pos, const void *body, size_t len)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
uint8_t	work_step_number(enum wire_type);
enum wire_type work_step_type(uint8_t number);	/* WIRE_NONE: no step */

/* ---- reputation.c: ratings of what this relay has carried */

int	reputation_open(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
void	reputation_close(struct relay *) AC_NONNULL(1);
/*
 * A deal ends, by whom: rate it, and put the records of that into the batch.
 * reputation_undo(): the batch was not written.
 */
int	reputation_rate(struct relay *, const struct work *, enum wire_type,
	    enum proposal_party by, int64_t ts) AC_NONNULL(1, 2) AC_MUST_CHECK;
void	reputation_undo(struct relay *) AC_NONNULL(1);
/* A RATED or PAIR record, at start. */
int	reputation_replay(struct relay *, enum store_type, struct rec *,
	    uint64_t pos) AC_NONNULL(1, 3) AC_MUST_CHECK;
/* Walk the positions of all such records; *type: STORE_RATED at first. */
uint64_t *reputation_next(struct relay *, enum store_type *type, size_t *at)
	    AC_NONNULL(1, 2, 3);
/* "ratings" of AGENTS, appended to relay->json; nothing without. */
void	reputation_put_members(struct relay *, const struct chan *)
	    AC_NONNULL(1, 2);

#endif
