/*
 * agent.h - keys that have proved themselves, kept for ever, and their
 * mailboxes.
 */
#ifndef AC_RELAY_AGENT_H
#define AC_RELAY_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "ident/ident.h"
#include "relay/dedupe.h"

struct peer;
struct relay;

#define MAILBOX_MAX	1000		/* messages */
#define MAILBOX_BYTES	(1 << 20)

struct letter {				/* in a mailbox */
	TAILQ_ENTRY(letter) next;
	uint64_t	 seq, pos;
	uint32_t	 len;		/* bytes it counts for */
	char		 from[IDENT_ID_MAX];
};

struct agent {
	unsigned char	 key[IDENT_KEY_LEN];
	char		 id[IDENT_ID_MAX];
	uint8_t		 id_len;
	bool		 bound;		/* its proofs name this relay, always */
	struct dedupe	 dedupe;
	/* mailbox */
	TAILQ_HEAD(mailbox_head, letter) letters;
	uint64_t	 mailbox_seq;	/* last given */
	int64_t		 mailbox_ts;
	size_t		 count, bytes;
	uint64_t	 pos;		/* of its newest AGENT record */
};

/* ---- agent.c */

struct agent *agent_by_id(struct relay *, const char *id, size_t len)
	    AC_NONNULL(1, 2);
struct agent *agent_by_key(struct relay *,
	    const unsigned char key[IDENT_KEY_LEN]) AC_NONNULL(1, 2);
int	agent_new(struct relay *, const char *id, size_t len,
	    const unsigned char key[IDENT_KEY_LEN], struct agent **)
	    AC_NONNULL(1, 2, 4, 5) AC_MUST_CHECK;
/* Take it out of the maps and free it: its record was not written. */
void	agent_forget(struct relay *, struct agent *) AC_NONNULL(1, 2);
void	agent_free(struct agent *);
/* Its letters up to seq have arrived: forget them, durably. */
void	agent_ack(struct relay *, struct agent *, uint64_t seq)
	    AC_NONNULL(1, 2);
/* The id of a key: what it owns, else 8 digits, else 16 if those are taken. */
void	agent_id_for_key(struct relay *, const unsigned char key[IDENT_KEY_LEN],
	    char out[IDENT_ID_MAX]) AC_NONNULL(1, 2, 3);

/* ---- mailbox.c */

/* May one more from this sender of len bytes go in? */
bool	mailbox_has_room(const struct agent *, const char *from, size_t len)
	    AC_NONNULL(1, 2);
int	mailbox_add(struct agent *, uint64_t seq, uint64_t pos,
	    const char *from, size_t from_len, size_t len)
	    AC_NONNULL(1, 4) AC_MUST_CHECK;
/* The same for a letter of the past, whose record may have moved. */
int	mailbox_place(struct agent *, uint64_t seq, uint64_t pos,
	    const char *from, size_t from_len, size_t len)
	    AC_NONNULL(1, 4) AC_MUST_CHECK;
void	mailbox_undo(struct agent *) AC_NONNULL(1);	/* the newest */
/* Take one out and free it. */
void	mailbox_drop(struct agent *, struct letter *) AC_NONNULL(1, 2);
/* Everything up to seq is with its reader; 1 if that changed anything. */
int	mailbox_ack(struct agent *, uint64_t seq) AC_NONNULL(1);
/*
 * Queue the next part of the letters that a verified peer hasn't been sent. As
 * with history, new ones wait their turn while it is behind (mail_behind).
 */
void	mailbox_pump(struct peer *) AC_NONNULL(1);

#endif
