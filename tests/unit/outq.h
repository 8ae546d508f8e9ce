/*
 * outq.h - an instance with a queue, and what comes out of it.
 */
#ifndef AC_TESTS_OUTQ_H
#define AC_TESTS_OUTQ_H

#include "unit.h"
#include "fault.h"

#include <stdbool.h>

#include "spool/queue_int.h"
#include "spool/spool.h"

struct outq {
	char			 path[64];
	int			 root;	/* open on path, the instance */
	struct spool		*sp;
	struct spool_queue	*q;
	bool			 cut;	/* death is a power cut */
};

/* What was sent so far: bodies by id, from the file "received". */
struct sent {
	size_t	 n;
	struct sent_item {
		uint64_t id;
		char	 target[SPOOL_BOX_MAX];
		char	 name[SPOOL_NAME_MAX];
		char	*body;
	} *item;
};

/* cmocka's setup and teardown: *state is a struct outq. */
int	outq_setup(void **state);
int	outq_teardown(void **state);

int	outq_open(struct outq *);
void	outq_close(struct outq *);
/* Open after a death. */
void	outq_revive(struct outq *, bool died);
/* Empty the directory and make it anew, closed. */
void	outq_fresh(struct outq *);

/* The queue's clock. */
extern int64_t outq_now;

int	outq_sync(struct outq *);

/*
 * One turn of a daemon: intake of the outbox, sync, and each item that is
 * safe to send is written to "received" and done. *again_ms as of intake.
 */
int	outq_turn(struct outq *, int *again_ms);

/* Turns, with the clock moved, until nothing is left to do. */
void	outq_drain(struct outq *);

/* Append text to a file of the instance, as a shell's >> does. */
void	outq_append(const struct outq *, const char *file, const char *text);

bool	outq_exists(const struct outq *, const char *file);

/* Everything received; the same id twice must be the same, and counts once. */
void	outq_sent(const struct outq *, struct sent *);
void	outq_sent_free(struct sent *);

/* That these bodies were sent, each once, in this order; ends with NULL. */
void	outq_assert_sent(const struct outq *, ...);

#endif
