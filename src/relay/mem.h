/*
 * mem.h - what strangers make the relay keep, below --max-memory.
 */
#ifndef AC_RELAY_MEM_H
#define AC_RELAY_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum mem_use { MEM_NOTHING, MEM_LIVE, MEM_STATE };

#define MEM_ALLOC	16	/* what the heap needs for itself each time */
#define MEM_SLOT	96	/* of a struct map, per entry, as it doubles */

void	mem_init(int64_t max);	/* bytes; 0: no limit, as without */
/* So many bytes more, or less, are kept. */
void	mem_grow(int64_t bytes);
uint64_t mem_used(void);
/*
 * May more be kept? MEM_STATE: for ever, as keys and channels are; MEM_LIVE:
 * what sessions need to go on talking, for which some is held back.
 */
bool	mem_has_room(enum mem_use) AC_MUST_CHECK;
#define MEM_FULL	"The relay's memory is full: try again later."
/* How long the frames of one turn may get before they are sent. */
size_t	mem_portion(void);

#endif
