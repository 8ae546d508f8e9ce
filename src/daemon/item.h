/*
 * item.h - from what an agent put down to what is sent.
 */
#ifndef AC_DAEMON_ITEM_H
#define AC_DAEMON_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "spool/spool.h"
#include "wire/msg.h"

struct ident;

/*
 * The key to encrypt with for an agent: 0; -EINVAL: *why says why there is
 * none; anything else: not now.
 */
typedef int item_key_fn(void *arg, const char *target, unsigned char *key,
    const char **why);

/* What has to be known to make a message of an item. Borrowed. */
struct item_conf {
	const struct ident	*ident;		/* NULL: nothing is signed */
	const char		*nonce;		/* of the queue */
	int64_t			 content_max;	/* UTF-16 units */
	int64_t			 frame_max;	/* bytes of json; 0: no limit */
	const char		*from;		/* our id at this relay */
	bool			 enc;		/* it passes on what is encrypted */
	item_key_fn		*key;
	void			*key_arg;
	const struct spool	*sp;		/* proposals/ is in it; NULL: none */
};

struct item {
	enum wire_type	type;
	char		target[SPOOL_BOX_MAX];	/* "#x", "@y", or "" */
	char		id[80];			/* its id on the wire */
	char		content_key[65];	/* of a MSG */
	struct buf	json;			/* what to send */
	char		why[256];		/* of a refusal: a sentence */
};

void	item_init(struct item *) AC_NONNULL(1);
void	item_fini(struct item *) AC_NONNULL(1);

/* What tells a content from another: SHA-256, in hex. */
void	item_content_key(const char *content, size_t len, char key[65])
	    AC_NONNULL(1, 3);

/*
 * Read an item's body. The same item gives the same bytes each time, so that
 * it can be sent again.
 *
 * Returns 0; -EINVAL: can't be sent, why says what to do, target is set as
 * far as it is known; what conf's key said: not now; -ENOMEM.
 */
int	item_read(struct item *, const struct spool_item *, const char *body,
	    size_t len, const struct item_conf *)
	    AC_NONNULL(1, 2, 3, 5) AC_MUST_CHECK;

#endif
