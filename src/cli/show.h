/*
 * show.h - a message as a person reads it.
 */
#ifndef AC_CLI_SHOW_H
#define AC_CLI_SHOW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "wire/msg.h"

/*
 * Append one line for a message (JSON text as it is spooled): when, in which
 * box, who, what. Nothing in it can act on a terminal or look like another
 * line. m is the caller's, and what the text is read into: whoever shows many
 * makes but one. box may be NULL: what the message is addressed to.
 */
void	show_message(struct buf *, struct wire_msg *m, const char *box,
	    const char *text, size_t len, bool colour) AC_NONNULL(1, 2, 4);

/*
 * Is it something said, that makes a file in the spool, and no presence or
 * answer?
 */
bool	show_is_message(enum wire_type);

#endif
