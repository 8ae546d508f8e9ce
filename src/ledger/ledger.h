/*
 * ledger.h - work between two agents: what may be done, what is signed, what
 * is left of it as a receipt, and what receipts say about an agent.
 *
 * Pure rules: nothing here opens, sends or logs anything.
 *
 * A deal is two or three steps, each signed by who makes it: PROPOSAL; ACCEPT
 * or REJECT; COMPLETE or DISPUTE. A step is kept as one JSON object,
 *
 *	{"amount":5,"from":"@...","id":"prop_...","pubkey":"...", ...,
 *	    "sig":"...","sig2":"..."}
 *
 * without sig and sig2 and in canonical form it is the step's text. sig2 is
 * the signature of that text. Each text but the PROPOSAL's has in `prev` the
 * SHA-256 of the text before, so that the last step's sig2 stands for all. sig
 * is the signature that clients know which don't know sig2: over a few fields
 * joined by '|'. agentchat-protocol(7) says it byte for byte.
 */
#ifndef AC_LEDGER_LEDGER_H
#define AC_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "ident/ident.h"
#include "wire/limits.h"
#include "wire/msg.h"

/* ------------------------------------------------------------ proposal.c */

enum proposal_status {
	PROPOSAL_NONE,
	PROPOSAL_PENDING,
	PROPOSAL_ACCEPTED,
	PROPOSAL_REJECTED,
	PROPOSAL_EXPIRED,
	PROPOSAL_COMPLETED,
	PROPOSAL_DISPUTED,
	PROPOSAL_STATUS_COUNT
};

const char *proposal_status_name(enum proposal_status);	/* "pending" */
/* PROPOSAL_NONE if unknown. */
enum proposal_status proposal_status_find(const char *) AC_NONNULL(1);

/*
 * May this step be made? 0 and what becomes of the proposal;
 * AC_E_NOT_PROPOSAL_PARTY: not by this party; AC_E_PROPOSAL_EXPIRED;
 * AC_E_INVALID_PROPOSAL: not as it stands, or no step.
 */
enum proposal_party { PROPOSAL_STRANGER, PROPOSAL_PROPOSER,
	PROPOSAL_RECIPIENT };
int	proposal_next(enum proposal_status, enum wire_type step,
	    enum proposal_party, enum proposal_status *next)
	    AC_NONNULL(4) AC_MUST_CHECK;

/* The step's place in a deal: 0, 1 or 2; -1: the type is no step. */
int	proposal_place(enum wire_type);

/* "prop_<base36 ms>_<8 hex>", as who proposes may choose it. */
#define PROPOSAL_ID_MAX	32
bool	proposal_id_ok(const char *, size_t len) AC_NONNULL(1);
void	proposal_id_make(char out[PROPOSAL_ID_MAX], int64_t ms, uint32_t rnd)
	    AC_NONNULL(1);

/* Is what a client's PROPOSAL or step says possible at all? NULL, or a
 * sentence that says why not. */
const char *proposal_check(const struct wire_msg *) AC_NONNULL(1);

/* ---------------------------------------------------------------- step.c */

/* What a step's sender is known by, beside what its message says. */
struct step_head {
	const char	*id;		/* of the proposal */
	const char	*from;		/* agent id */
	const char	*pubkey;	/* base64 */
	const char	*prev;		/* hash of the step before; NULL: none */
	int64_t		 ts;		/* sender's clock; < 0: none */
};

/* Append a client's step as text. -ENOMEM; AC_E_INVALID_MSG: no step. */
int	step_text(struct buf *out, const struct wire_msg *,
	    const struct step_head *) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
/*
 * The same of what a relay has told us, as an object with its signatures.
 * What a relay of another make leaves out is left out.
 */
int	step_from_relay(struct buf *out, const struct wire_msg *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Append the object: the text and the signatures that the message has. */
void	step_object(struct buf *out, const struct buf *text,
	    const struct wire_msg *) AC_NONNULL(1, 2, 3);

/*
 * Is the message's sig good by any of the published forms? id is that of the
 * proposal (unused for a PROPOSAL). 0; AC_E_VERIFICATION_FAILED; -ENOMEM.
 */
int	step_check_sig(const struct wire_msg *, const char *id,
	    const unsigned char key[IDENT_KEY_LEN])
	    AC_NONNULL(1, 2, 3) AC_MUST_CHECK;

/* Append the text of sig; forms: see step.c. */
enum { STEP_STAKE = 1, STEP_ZEROS = 2, STEP_FORMS = 4 };
void	step_plain(struct buf *out, const struct wire_msg *, const char *id,
	    unsigned form) AC_NONNULL(1, 2, 3);

/*
 * A client's step, signed: appends text (which m was parsed from) with both
 * signatures, ts and id. Of head, id is the proposal's; without prev a step
 * after the PROPOSAL has no sig2. req is the message's id (a PROPOSAL's is
 * the proposal's), or NULL.
 */
int	step_sign(struct buf *out, const struct wire_msg *m, const char *text,
	    size_t len, const struct step_head *, const char *req,
	    const struct ident *) AC_NONNULL(1, 2, 3, 5, 7) AC_MUST_CHECK;

/* A step object, read back. */
struct step {
	struct wire_msg	 m;
	struct buf	 text;
	char		 hash[65];
	unsigned char	 key[IDENT_KEY_LEN];
	bool		 has_key;
};
void	step_init(struct step *) AC_NONNULL(1);
void	step_fini(struct step *) AC_NONNULL(1);
/* json is borrowed until step_fini(). AC_E_INVALID_MSG; -ENOMEM. */
int	step_read(struct step *, const char *json, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Signed, both ways where there are two, by who it says? A step that was read
 * says nothing of the one before: see prev. */
bool	step_is_good(const struct step *) AC_NONNULL(1) AC_MUST_CHECK;

/* ------------------------------------------------------------- receipt.c */

/*
 * A receipt is one line,
 *
 *	{"type":"COMPLETE","proposal_id":"prop_...","proposal":{...},
 *	    "accept":{...},"complete":{...}}
 *
 * or DISPUTE with "dispute", each step an object as above. Whoever has it can
 * check it, without a relay.
 */
struct receipt {
	enum wire_type	 type;		/* COMPLETE or DISPUTE */
	char		 id[WIRE_REF_MAX + 1];
	char		 from[WIRE_AGENT_MAX + 1], to[WIRE_AGENT_MAX + 1];
	char		 by[WIRE_AGENT_MAX + 1];	/* made the last step */
	char		 currency[WIRE_WORD_MAX + 1];
	double		 amount;	/* 0: none */
	int64_t		 ts;		/* of the last step; 0: not known */
	bool		 strong;	/* the chain of sig2 holds */
};

/*
 * Check a receipt. 0, and what it says. AC_E_VERIFICATION_FAILED, and in
 * *check the name of the first check that fails, static ("accept.prev");
 * AC_E_INVALID_MSG: it is none, *check says what is missing; -ENOMEM.
 */
int	receipt_check(struct receipt *, const char *line, size_t len,
	    const char **check) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;

/*
 * Append the receipt (without newline) made of three step objects. Both
 * parties make the same.
 */
void	receipt_make(struct buf *out, enum wire_type, const char *id,
	    const struct buf *proposal, const struct buf *accept,
	    const struct buf *end) AC_NONNULL(1, 3, 4, 5, 6);

/* ----------------------------------------------------------------- elo.c */

#define ELO_START	1200
#define ELO_FLOOR	100

struct elo {
	int64_t		 rating;
	unsigned	 transactions;
};

enum elo_outcome {
	ELO_DONE,	/* both gain */
	ELO_FAULT,	/* a loses; b, who disputed, gains half of it */
	ELO_FAULT_BOTH	/* both lose */
};

/* scale: of both K; 1, or less where a relay trusts less. */
void	elo_rate(struct elo *a, struct elo *b, enum elo_outcome, double amount,
	    double scale) AC_NONNULL(1, 2);
/* K for so many transactions and an amount (0: none). */
double	elo_k(unsigned transactions, double amount);

/* -------------------------------------------------------------- rating.c */

struct rating {
	char		 agent[WIRE_AGENT_MAX + 1];
	struct elo	 elo;
	int64_t		 updated;	/* ms; 0: not known */
};

/*
 * What a pile of receipts says. The order that they are added in doesn't
 * matter, nor whether one is added twice.
 */
struct rating_book;
int	rating_book_new(struct rating_book **, bool strong_only)
	    AC_NONNULL(1) AC_MUST_CHECK;
void	rating_book_free(struct rating_book *);		/* NULL accepted */
/* 1: counted; 0: not (known already, or forged, or weak and not wanted) */
int	rating_book_add(struct rating_book *, const char *line, size_t len)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* The same for one that is known to be good. */
int	rating_book_put(struct rating_book *, const struct receipt *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;
/* Each line of a text, whole ones only; *used: bytes of them. */
int	rating_book_add_lines(struct rating_book *, const char *, size_t len,
	    size_t *used) AC_NONNULL(1, 2, 4) AC_MUST_CHECK;

/*
 * Rate: *out is an array of *count in the order of rating_sort(), the caller's
 * to free().
 */
int	rating_book_rate(const struct rating_book *, struct rating **out,
	    size_t *count) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
/* Best first, then by id. */
void	rating_sort(struct rating *, size_t count);
size_t	rating_book_count(const struct rating_book *) AC_NONNULL(1);

/* ratings.json: {"@id":{"rating":..,"transactions":..,"updated":..}} */
void	rating_print(struct buf *, const struct rating *, size_t count)
	    AC_NONNULL(1);

#endif
