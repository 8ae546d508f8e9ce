/*
 * rec.h - the bodies of the store's records, little-endian, no padding.
 *
 * The formats are on disk: to change one, add a record type.
 *
 *	EPOCH	str epoch, str boot id, str spool id, u64 number
 *	STOP	-
 *	AGENT	str id, 32 bytes key, u8 bound, u64 mailbox_seq,
 *		u64 mailbox_ts, u64 count, then that many known ids, oldest
 *		first: u64 hash, body, j, seq, number, ts
 *	CHAN	str name, u8 invite_only, u64 seq, u64 ts, u64 count, then that
 *		many invited: str
 *	INVITE	str channel, str agent
 *	MSG	head, then the JSON that members get
 *	DM	head, then the JSON that the target gets
 *	ACK	str agent, u64 mailbox_seq
 *	WORK	u8 step (1 PROPOSAL, 2 ACCEPT, 3 REJECT, 4 COMPLETE, 5 DISPUTE),
 *		str proposal, u8 flags, u64 number, i64 ts, u64 hash of the
 *		sender's id and sig, 32 bytes key of the recipient (zeros but
 *		for a PROPOSAL), then the step as JSON (ledger/ledger.h)
 *	RATED	str agent, u64 rating, u64 transactions
 *	PAIR	str two agents, u64 ts of their last deal that counted
 *
 * AGENT, CHAN, RATED and PAIR hold the whole state and are written again when
 * it is to move to a newer segment; so are MSG and DM, whose seq then isn't
 * new, and WORK, of a step that is known.
 *
 *	head	str to, str from, u8 flags, u64 seq (DM: mailbox_seq, 0: none),
 *		i64 ts, u64 number, u64 hash of the body, str id
 *	str	u8 length, bytes
 */
#ifndef AC_RELAY_REC_H
#define AC_RELAY_REC_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"

enum { REC_VERIFIED = 1 };	/* the sender had proved its key */

struct rec_head {
	const char	*to, *from, *id;	/* not NUL-terminated */
	uint8_t		 to_len, from_len, id_len;
	uint8_t		 flags;
	uint64_t	 seq;
	int64_t		 ts;
	uint64_t	 number;	/* of all messages in this spool */
	uint64_t	 hash;		/* tells a resend from another body */
	const char	*json;
	size_t		 json_len;
};

void	rec_put_u8(struct buf *, uint8_t) AC_NONNULL(1);
void	rec_put_u64(struct buf *, uint64_t) AC_NONNULL(1);
void	rec_put_str(struct buf *, const char *, size_t len) AC_NONNULL(1, 2);
/* Everything of the head but json. */
void	rec_put_head(struct buf *, const struct rec_head *) AC_NONNULL(1, 2);

/* A step of a deal. */
struct rec_work {
	uint8_t		 step;
	const char	*id;		/* not NUL-terminated */
	uint8_t		 id_len;
	uint8_t		 flags;
	uint64_t	 number;
	int64_t		 ts;
	uint64_t	 again;		/* tells a resend */
	const char	*to_key;	/* REC_KEY_LEN bytes */
	const char	*json;
	size_t		 json_len;
};
#define REC_KEY_LEN 32
/* Everything but json. */
void	rec_put_work(struct buf *, const struct rec_work *) AC_NONNULL(1, 2);
/* 0 or -EUCLEAN; pointers go into body. */
int	rec_work(struct rec_work *, const void *body, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* A record being read; a read past its end sets bad and yields nothing. */
struct rec {
	const char	*p;
	size_t		 left;
	int		 bad;
};
uint8_t	rec_u8(struct rec *) AC_NONNULL(1);
uint64_t rec_u64(struct rec *) AC_NONNULL(1);
const char *rec_bytes(struct rec *, size_t len) AC_NONNULL(1);
const char *rec_str(struct rec *, uint8_t *len) AC_NONNULL(1, 2);
/* 0 or -EUCLEAN; pointers go into body. */
int	rec_head(struct rec_head *, const void *body, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

#endif
