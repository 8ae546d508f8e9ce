/*
 * batch.c - staged messages that are synced and published together.
 *
 * To sync everything costs a file system the more the more its other users
 * write. So files are held open, and of a few the bytes are synced one by one:
 * the cursor's sync, which is to come anyway, has their names with it.
 */
#include "config.h"

#include "daemon/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void
batch_init(struct batch *b)
{
	b->head = NULL;
	b->tail = &b->head;
	b->count = b->bytes = b->held = 0;
	b->deep = false;
}

static void
let_go(struct batch *b)
{
	for (struct staged *s = b->head; s != NULL && b->held > 0; s = s->next)
		if (s->fd != -1) {
			close(s->fd);
			s->fd = -1;
			b->held--;
		}
}

void
batch_fini(struct batch *b)
{
	struct staged *s;

	let_go(b);
	while ((s = b->head) != NULL) {
		b->head = s->next;
		free(s);
	}
	batch_init(b);
}

void
batch_add(struct batch *b, struct staged *s)
{
	if (s->fd != -1)
		b->held++;
	else		/* who knows what became of its file */
		b->deep = b->deep || !s->published;
	s->next = NULL;
	*b->tail = s;
	b->tail = &s->next;
	b->count++;
	b->bytes += s->len;
}

void
batch_take(struct batch *to, struct batch *from)
{
	*to = *from;
	if (to->head == NULL)
		to->tail = &to->head;
	batch_init(from);
}

bool
batch_shed(struct batch *b)
{
	if (b->held == 0)
		return false;
	b->deep = true;
	let_go(b);
	return true;
}

/* -ENOSYS: one by one isn't the way. */
static int
sync_singly(const struct batch *b)
{
	int fds[BATCH_SINGLY];
	size_t n = 0;

	if (b->deep || b->held > BATCH_SINGLY)
		return -ENOSYS;
	for (struct staged *s = b->head; s != NULL; s = s->next)
		if (s->fd != -1)
			fds[n++] = s->fd;
	return spool_sync_files(fds, n);
}

int
batch_sync(struct batch *b, const struct spool *sp)
{
	int rc = sync_singly(b);

	if (rc == -ENOSYS || rc == -EPERM)
		rc = spool_sync(sp);
	let_go(b);
	return rc;
}

void
batch_rename(struct batch *b, const atomic_bool *stop)
{
	unsigned n = 0;

	for (struct staged *s = b->head; s != NULL && !*stop; s = s->next) {
		if (s->published)
			continue;
		if (!s->planned ||
		    spool_move(&s->move, s->name, n++ / BATCH_GLANCE + 1) < 0)
			return;
		s->moved = true;
	}
}
