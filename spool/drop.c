/*
 * drop.c - files in a box's out/ become items of the queue.
 *
 * A file is claimed: renamed to queue/claim.ID.TARGET.NAME, which takes it out
 * of everybody's sight and gives it its id; then it goes whole into an ITEM
 * of that id; and when that is synced it is removed. After a crash a claimed
 * file whose id is below the journal's next id is in the journal, and any
 * other isn't: an id that a claim has is put before all higher ones, also
 * when the first attempt found the disk full.
 *
 * A file that somebody has open for writing isn't claimed (lease.c). Who has
 * opened it in between writes to the claimed file: it is compared with what
 * was read before it is removed, and if it has changed, or while it is still
 * open, it is kept and becomes a new message. Without leases a file must be a
 * second old; so must an empty one, which may be the first half of a pair of
 * calls, create and write.
 */
#include "config.h"

#include "spool/spool.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/crc32c.h"
#include "spool/internal.h"
#include "spool/queue_int.h"

#define CLAIM		"claim."
#define CLAIM_HEAD	(sizeof(CLAIM) - 1 + 16 + 1)	/* "claim.ID." */
#define CLAIM_NAME	256
#define PART_MAX	100		/* of a file's name that is kept */
#define YOUNG_MS	1000

#define TOO_LONG	"The file is longer than 1 MiB, the most that one " \
			"message may have: send it in parts.\n"
#define UNREADABLE	"The file could not be read: write a new one.\n"

/* ----------------------------------------------------------------- claims */

static void
forget_claim(struct spool_queue *q, size_t i)
{
	free(q->claim[i].file);
	memmove(q->claim + i, q->claim + i + 1,
	    (--q->nclaims - i) * sizeof(*q->claim));
}

static int
add_claim(struct spool_queue *q, uint64_t id, const char *file)
{
	struct queue_claim *c;

	c = realloc(q->claim, (q->nclaims + 1) * sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	q->claim = c;
	c += q->nclaims;
	*c = (struct queue_claim){ .id = id, .file = strdup(file) };
	if (c->file == NULL)
		return -ENOMEM;
	q->nclaims++;
	return 0;
}

/* The parts of "claim.ID.TARGET.NAME"; false if it is none. */
static bool
parse_claim(const char *file, uint64_t *id, char target[SPOOL_BOX_MAX],
    const char **name)
{
	const char *at, *dot;
	char *end;

	if (strncmp(file, CLAIM, sizeof(CLAIM) - 1) != 0 ||
	    strlen(file) <= CLAIM_HEAD)
		return false;
	*id = strtoull(file + sizeof(CLAIM) - 1, &end, 16);
	at = file + CLAIM_HEAD;
	dot = strchr(at, '.');
	if (end != at - 1 || *end != '.' || *id == 0 || dot == NULL ||
	    dot - at >= SPOOL_BOX_MAX || dot[1] == '\0' ||
	    strlen(dot + 1) > PART_MAX)
		return false;
	memcpy(target, at, (size_t)(dot - at));
	target[dot - at] = '\0';
	*name = dot + 1;
	return true;
}

static void
claim_name(char out[CLAIM_NAME], uint64_t id, const char *rest)
{
	snprintf(out, CLAIM_NAME, CLAIM "%016" PRIx64 ".%.*s", id,
	    SPOOL_BOX_MAX + PART_MAX, rest);
}

/*
 * What can't be a message goes to failed/, with a word why, and its id is used
 * up. The name is a receipt's; should it be taken, by a file of the same id
 * before a crash, it is numbered.
 */
static int
refuse(struct spool_queue *q, uint64_t id, int dir, const char *file,
    const char *target, const char *name, const char *why)
{
	char base[CLAIM_NAME], reason[CLAIM_NAME + 8];
	int failed, rc;

	rc = spool_subdir(spool_dir(q->sp), "failed", true, &failed);
	if (rc < 0)
		return rc;
	snprintf(base, sizeof(base), "%s.%s.%" PRIu64, target, name, id);
	for (int n = 1; (rc = fs_exists(failed, base)) == 1 && n < 100; n++)
		snprintf(base, sizeof(base), "%s.%s.%" PRIu64 "-%d", target,
		    name, id, n);
	/* The reason first: the file never is there without it. */
	snprintf(reason, sizeof(reason), "%s.reason", base);
	if (rc >= 0)
		rc = spool_replace(failed, reason, why, strlen(why), false);
	if (rc == 0)
		rc = fs_rename_noreplace(dir, file, failed, base);
	if (rc == -ENOENT) {
		(void)unlinkat(failed, reason, 0);
		close(failed);
		return 0;		/* taken back */
	}
	close(failed);
	return rc == 0 ? queue_put_done(q, id) : rc;
}

/*
 * Put a claimed file into the batch. 1: done. 0: there is nothing to put, and
 * the claim may be forgotten.
 */
static int
put_claim(struct spool_queue *q, struct queue_claim *c)
{
	char target[SPOOL_BOX_MAX];
	const char *name;
	struct stat st;
	uint64_t id;
	int fd, rc;

	if (!parse_claim(c->file, &id, target, &name))
		return 0;
	buf_clear(&q->in);
	fd = fs_open_file(q->dir, c->file, O_RDONLY, &st);
	rc = fd < 0 ? fd : fs_read_from(fd, 0, SPOOL_MSG_MAX + 1, &q->in);
	if (fd >= 0)
		close(fd);
	if (rc == -ENOENT)
		return 0;
	if (queue_passing(rc))
		return rc;
	if (rc < 0)
		return refuse(q, id, q->dir, c->file, target, name,
		    UNREADABLE);
	if (q->in.len > SPOOL_MSG_MAX)
		return refuse(q, id, q->dir, c->file, target, name, TOO_LONG);
	rc = queue_put(q, id, target, name, q->in.p != NULL ? q->in.p : "",
	    q->in.len, ROLES);
	if (rc < 0)
		return rc;
	c->ino = st.st_ino;
	c->size = (off_t)q->in.len;
	c->mtime = st.st_mtim;
	c->state = CLAIM_IN_BATCH;
	return 1;
}

int
claims_put(struct spool_queue *q)
{
	int rc;

	for (size_t i = 0; i < q->nclaims; i++) {
		if (q->claim[i].state != CLAIM_NEW)
			continue;
		rc = put_claim(q, &q->claim[i]);
		if (rc == 0)
			forget_claim(q, i--);
		else if (rc < 0)
			return rc;
	}
	return 0;
}

void
claims_committed(struct spool_queue *q)
{
	for (size_t i = 0; i < q->nclaims; i++) {
		if (q->claim[i].state != CLAIM_IN_BATCH)
			continue;
		q->claim[i].state = CLAIM_QUEUED;
		q->claim[i].end = journal_end(q->j);
	}
}

void
claims_abandoned(struct spool_queue *q)
{
	for (size_t i = 0; i < q->nclaims; i++)
		if (q->claim[i].state == CLAIM_IN_BATCH)
			q->claim[i].state = CLAIM_NEW;
}

uint64_t
claims_lowest(const struct spool_queue *q)
{
	/* Their ids rise. Those in the batch may yet fail to get there. */
	for (size_t i = 0; i < q->nclaims; i++)
		if (q->claim[i].state != CLAIM_QUEUED)
			return q->claim[i].id;
	return q->next_id;
}

/* The claimed file is another message by now: give it an id of its own. */
static int
claim_again(struct spool_queue *q, size_t i)
{
	char file[CLAIM_NAME];
	int rc;

	claim_name(file, q->next_id, q->claim[i].file + CLAIM_HEAD);
	rc = add_claim(q, q->next_id, file);
	if (rc < 0)
		return rc;
	if (renameat(q->dir, q->claim[i].file, q->dir, file) == -1) {
		rc = -errno;
		forget_claim(q, q->nclaims - 1);
		return rc;
	}
	q->next_id++;
	forget_claim(q, i);
	return 0;
}

/* 1: removed, or gone. 0: keep it for now. Or an error. */
static int
settle_claim(struct spool_queue *q, size_t i)
{
	struct queue_claim *c = &q->claim[i];
	struct stat st;
	int fd, rc;

	fd = fs_open_file(q->dir, c->file, O_RDONLY, &st);
	if (queue_passing(fd))
		return 0;
	if (fd < 0) {	/* gone; or no file of ours any more */
		rc = fs_remove(q->dir, c->file);
		return rc < 0 ? rc : 1;
	}
	rc = lease_take(fd);
	if (rc != 0) {
		/* What a writer has done until now can be seen from now on. */
		if (fstat(fd, &st) == -1)
			rc = -errno;
		else if (st.st_ino != c->ino || st.st_size != c->size ||
		    st.st_mtim.tv_sec != c->mtime.tv_sec ||
		    st.st_mtim.tv_nsec != c->mtime.tv_nsec)
			rc = claim_again(q, i);
		else if (unlinkat(q->dir, c->file, 0) == -1)
			rc = -errno;
		else
			rc = 1;
	}
	close(fd);
	return rc;
}

int
claims_settle(struct spool_queue *q)
{
	uint64_t synced = journal_synced(q->j);
	size_t n = q->nclaims;
	int rc;

	for (size_t i = 0; i < n;) {
		const char *file = q->claim[i].file;

		if (q->claim[i].state != CLAIM_QUEUED ||
		    q->claim[i].end > synced) {
			i++;
			continue;
		}
		rc = settle_claim(q, i);
		if (rc < 0)
			return rc;
		if (rc == 1)
			forget_claim(q, i);
		if (rc == 1 || q->claim[i].file != file)
			n--;		/* removed, or moved to the end */
		else
			i++;
	}
	return 0;
}

int
claims_open(struct spool_queue *q)
{
	struct spool_names list;
	char target[SPOOL_BOX_MAX];
	const char *name;
	uint64_t id, below = q->next_id;
	int rc;

	rc = fs_list(q->dir, FS_FILES, &list);
	if (rc < 0)
		return rc;
	/* By name: their ids rise. */
	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		if (!parse_claim(list.name[i], &id, target, &name))
			continue;
		if (id < below) {
			rc = fs_remove(q->dir, list.name[i]);
			continue;
		}
		rc = add_claim(q, id, list.name[i]);
		if (rc == 0 && id >= q->next_id)
			q->next_id = id + 1;
	}
	spool_names_fini(&list);
	if (rc == 0)
		rc = queue_begin(q);
	if (rc == 0)
		rc = queue_commit(q);
	return queue_passing(rc) ? 0 : rc;
}

static void
forget_drops(struct queue_drops *l)
{
	free(l->drop);
	if (l->box != NULL)
		spool_names_fini(&l->list);
	memset(l, 0, sizeof(*l));
}

void
claims_fini(struct spool_queue *q)
{
	forget_drops(&q->drops);
	while (q->nclaims > 0)
		forget_claim(q, q->nclaims - 1);
	free(q->claim);
}

/* ------------------------------------------------------------------- drops */

static int
by_age(const void *a, const void *b)
{
	const struct queue_drop *x = a, *y = b;

	if (x->mtime.tv_sec != y->mtime.tv_sec)
		return x->mtime.tv_sec < y->mtime.tv_sec ? -1 : 1;
	if (x->mtime.tv_nsec != y->mtime.tv_nsec)
		return x->mtime.tv_nsec < y->mtime.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Say once that something is in out/ that can't be sent; one at each look. */
static void
note_odd(struct spool_queue *q, const char *box, const char *name, int why)
{
	uint32_t sum = crc32c(crc32c(0, box, strlen(box)), name, strlen(name));

	if (q->drops.odd != 0)
		return;
	for (size_t i = 0; i < AC_COUNTOF(q->odd); i++)
		if (q->odd[i] == sum)
			return;
	q->odd[q->nodd++ % AC_COUNTOF(q->odd)] = sum;
	q->drops.odd = why;
	snprintf(q->odd_name, sizeof(q->odd_name), "%s", name);
}

/* The files of out/ that may be sent, oldest first. */
static int
list_drops(struct spool_queue *q, struct spool_box *box)
{
	int out = spool_box_sub(box, SPOOL_OUT), rc;
	struct queue_drops *l = &q->drops;
	struct stat st;

	forget_drops(l);
	rc = fs_list(out, FS_ALL, &l->list);
	if (rc < 0)
		return rc;
	l->box = box;
	l->drop = malloc((l->list.n + 1) * sizeof(*l->drop));
	if (l->drop == NULL) {
		forget_drops(l);
		return -ENOMEM;
	}
	for (size_t i = 0; i < l->list.n; i++) {
		const char *name = l->list.name[i];
		int why = 0;

		if (name[0] == '.' ||
		    fstatat(out, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		if (S_ISLNK(st.st_mode))
			why = -ELOOP;
		else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
			why = -EINVAL;
		else if (st.st_nlink != 1)
			why = -EMLINK;
		if (why != 0)
			note_odd(q, spool_box_name(box), name, why);
		else
			l->drop[l->n++] =
			    (struct queue_drop){ name, st.st_mtim };
	}
	qsort(l->drop, l->n, sizeof(*l->drop), by_age);
	return 0;
}

/* Is the file so new that it may not be all there yet? */
static bool
is_young(const struct stat *st)
{
	int64_t age = clock_wall_ms() - ((int64_t)st->st_mtim.tv_sec * 1000 +
	    st->st_mtim.tv_nsec / 1000000);

	return age > -YOUNG_MS && age < YOUNG_MS;
}

/* Name in out/ to a part of a claim's and a receipt's name. */
static void
plain_name(const char *name, char out[PART_MAX + 1])
{
	size_t i;

	for (i = 0; i < PART_MAX && name[i] != '\0'; i++)
		out[i] = spool_component_ok((char[]){ 'x', name[i] }, 2) ?
		    name[i] : '_';
	out[i] = '\0';
}

/* Rename out/name to a claim and put it. 1: put; 0: not; or an error. */
static int
claim_file(struct spool_queue *q, int out, const char *name,
    const struct stat *held, const char *target)
{
	char plain[PART_MAX + 1], rest[CLAIM_NAME], file[CLAIM_NAME];
	struct stat st;
	int rc;

	plain_name(name, plain);
	if (held->st_size > SPOOL_MSG_MAX)
		return refuse(q, q->next_id++, out, name, target, plain,
		    TOO_LONG);
	snprintf(rest, sizeof(rest), "%s.%s", target, plain);
	claim_name(file, q->next_id, rest);
	rc = add_claim(q, q->next_id, file);
	if (rc < 0)
		return rc;
	rc = fs_rename_noreplace(out, name, q->dir, file);
	if (rc == 0 && (fstatat(q->dir, file, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !same_file(&st, held))) {
		/* Another file came to that name meanwhile: give it back. */
		rc = fs_rename_noreplace(q->dir, file, out, name);
		if (rc == 0)
			rc = -ENOENT;
	}
	if (rc < 0) {
		forget_claim(q, q->nclaims - 1);
		return rc == -ENOENT ? 0 : rc;
	}
	q->next_id++;
	rc = put_claim(q, &q->claim[q->nclaims - 1]);
	if (rc == 0)
		forget_claim(q, q->nclaims - 1);
	return rc;
}

/* 1: put into the batch; 0: not (*busy: not yet); or an error. */
static int
take_drop(struct spool_queue *q, int out, const char *name,
    const char *target, bool *busy)
{
	struct stat st;
	int fd, rc;

	fd = fs_open_file(out, name, O_RDONLY, &st);
	if (fd == -ENOENT || fd == -ELOOP || fd == -EINVAL)
		return 0;
	if (fd < 0)
		return fd;
	rc = lease_take(fd);
	if (rc == 0 || ((rc < 0 || st.st_size == 0) && is_young(&st))) {
		*busy = true;
		close(fd);
		return 0;
	}
	rc = claim_file(q, out, name, &st, target);
	close(fd);
	return rc;
}

static int
take_drops(struct spool_queue *q, struct spool_box *box, size_t max_items)
{
	const char *target = spool_box_name(box);
	int out = spool_box_sub(box, SPOOL_OUT);
	struct queue_drops *l = &q->drops;
	size_t taken = 0, bytes = 0;
	int rc, err;

	rc = queue_begin(q);
	if (rc < 0)
		return rc;
	while (rc == 0 && l->at < l->n) {
		if (taken == max_items || bytes >= QUEUE_CALL_LEN) {
			rc = 1;
			break;
		}
		rc = take_drop(q, out, l->drop[l->at++].name, target,
		    &l->busy);
		if (rc == 1) {
			taken++;
			bytes += q->e[q->n - 1].len;
			rc = 0;
		}
	}
	/* What was claimed before an error goes on its way. */
	err = queue_commit(q);
	return err < 0 ? err : rc;
}

const char *
spool_intake_odd(const struct spool_queue *q)
{
	return q->odd_name;
}

int
spool_intake_drop(struct spool_queue *q, struct spool_box *box,
    size_t max_items, bool *busy)
{
	int rc, odd;

	*busy = false;
	rc = claims_settle(q);
	if (rc == 0 && q->drops.box != box)
		rc = list_drops(q, box);
	if (rc < 0)
		return rc;
	if (q->drops.n > 0 || q->nclaims > 0)
		rc = take_drops(q, box, max_items != 0 ? max_items : SIZE_MAX);
	*busy = q->drops.busy;
	odd = q->drops.odd;
	if (rc != 1)
		forget_drops(&q->drops);
	return rc != 0 ? rc : odd;
}
