/*
 * turn.h - what a loop turn has decided, written, and only then told.
 */
#ifndef AC_RELAY_TURN_H
#define AC_RELAY_TURN_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "relay/rec.h"
#include "relay/store.h"

struct agent;
struct chan;
struct peer;
struct relay;

int	turn_new(struct relay *) AC_NONNULL(1) AC_MUST_CHECK;
void	turn_free(struct relay *) AC_NONNULL(1);

/*
 * Note a message: head and head->json (borrowed for the call) become a record
 * of the batch and, once that is written, a frame to the channel's members or
 * the target. from: the sender's session, or NULL for the operator.
 * -ENOMEM, and nothing was noted.
 */
int	turn_msg(struct relay *, struct chan *, struct peer *from,
	    const struct rec_head *) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;
/*
 * The same for a DM. agent: whose mailbox it goes through, or NULL; target: a
 * session to deliver to, or NULL (away).
 */
int	turn_dm(struct relay *, struct agent *, struct peer *target,
	    struct peer *from, const struct rec_head *)
	    AC_NONNULL(1, 5) AC_MUST_CHECK;
/* Any other record, from relay->rec; *pos (may be NULL): where it will be. */
int	turn_record(struct relay *, enum store_type, uint64_t *pos)
	    AC_NONNULL(1) AC_MUST_CHECK;
/* Something that belongs to the batch is missing: nothing of it is written. */
void	turn_break(struct relay *) AC_NONNULL(1);
/*
 * Write what was noted, then queue its frames. If it can't be written, every
 * sender of the batch is refused (RATE_LIMITED: it may try again) and the
 * state is as if nothing had been sent; then the errno is returned.
 */
int	turn_commit(struct relay *) AC_NONNULL(1);
/* Commit, flush the peers. At the end of each loop turn. */
void	turn_end(struct relay *) AC_NONNULL(1);
/* The wall clock in ms, the same for all of a turn. */
int64_t	turn_wall_ms(struct relay *) AC_NONNULL(1);
/* This peer is to hear when the record before position j is stored. */
void	turn_owe_stored(struct relay *, struct peer *, uint64_t j)
	    AC_NONNULL(1, 2);
/* A sync has ended: STORED to those it is owed to. */
void	turn_synced(struct relay *) AC_NONNULL(1);
/* The msg_id of the relay's so many-th message; the same ever after. */
void	turn_put_msg_id(struct buf *, const struct relay *, uint64_t number)
	    AC_NONNULL(1, 2);
/* Append an object without its closing brace, for more members. */
void	turn_open(struct buf *out, const char *json, size_t len)
	    AC_NONNULL(1, 2);

#endif
