/*
 * work.h - the daemon's part in deals: it signs what the agent does, and
 * writes down what becomes of it.
 */
#ifndef AC_DAEMON_WORK_H
#define AC_DAEMON_WORK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "daemon/item.h"

struct daemon;

/* ------------------------------------------------------------- work_sign.c */

/* A step that the agent has not signed itself, and that we can sign? */
bool	work_is_ours_to_sign(const struct wire_msg *, const struct item_conf *)
	    AC_NONNULL(1, 2);
/*
 * Make the item's json: the line (text, from which m was parsed) with id, ts
 * and signatures. The same item gives the same bytes. As item_read().
 */
int	work_sign(struct item *, const struct spool_item *, const char *text,
	    size_t len, const struct wire_msg *m, const struct item_conf *)
	    AC_NONNULL(1, 2, 3, 5, 6) AC_MUST_CHECK;

/* ------------------------------------------------------------------ work.c */

/*
 * A step that a relay tells of: proposals/ID.json and, if the deal is over,
 * receipts.jsonl and ratings.json, durably. Told again it changes nothing, so
 * that after a crash it mends what is missing. 0; -ENOSPC and its kin: tell
 * it again when there is space.
 */
int	work_take(struct daemon *, const struct wire_msg *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
void	work_fini(struct daemon *) AC_NONNULL(1);

/* Are the signatures of this step good, of this key, and is its id from's? */
bool	work_is_verified(const struct wire_msg *, const unsigned char *key)
	    AC_NONNULL(1, 2);

/* The file of a proposal in proposals/. -EINVAL: the id can't be one. */
#define WORK_FILE_MAX	160
int	work_file(const char *id, char name[WORK_FILE_MAX])
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Append that file's content. -ENOENT. */
int	work_slurp(const struct spool *, const char *id, struct buf *)
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

#endif
