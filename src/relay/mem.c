/*
 * mem.c - how much strangers make the relay keep: --max-memory.
 *
 * Whatever grows with what is sent is counted here by whoever allocates it,
 * with what an allocation and a hash table's slots cost beside it. Two marks
 * below the limit: up to the first, what stays for ever (keys, channels,
 * letters to the absent) may be added; from there to the second only what
 * sessions need to go on talking. So no stranger can fill the relay so that
 * those who know each other can't talk. What is left to the limit is for the
 * program itself, a turn's frames, the heap's holes, and queues whose readers
 * were ended: libwebsockets frees those when the turn is over.
 *
 * One relay a process: what is counted is the process's heap.
 */
#include "config.h"

#include "relay/internal.h"

#define PORTION	(16u << 20)

static int64_t used, limit;		/* limit 0: none */

void
mem_init(int64_t max)
{
	limit = max;
}

void
mem_grow(int64_t bytes)
{
	used += bytes;
}

uint64_t
mem_used(void)
{
	return used > 0 ? (uint64_t)used : 0;
}

bool
mem_has_room(enum mem_use use)
{
	if (limit == 0 || use == MEM_NOTHING)
		return true;
	return used < limit / 8 * (use == MEM_STATE ? 3 : 4);
}

size_t
mem_portion(void)
{
	if (limit == 0 || limit / 32 > PORTION)
		return PORTION;
	return (size_t)limit / 32;
}
