/*
 * box.c - the directories: the root, an instance, its boxes.
 *
 * A box is held open, its directory and the four sub-folders, and everything
 * is done relative to those descriptors. So whatever an agent puts in the
 * place of a name, we either meet what we hold or notice that it is another.
 *
 * mkdir joins and rm -r leaves, and the two look alike for a moment: the last
 * thing that rm -r sees is an empty directory, which is what mkdir made. To
 * give that one its sub-folders again would make the agent's rm fail and join
 * the channel anew. Three rules tell them apart:
 *
 * 1. No sub-folder at all, or out/ alone: somebody's mkdir, or mkdir -p with
 *    the first message behind it. It gets all four.
 * 2. Others of them: left, or half removed. It is no box. (A crash of ours half
 *    way through rule 1 leaves a ".making" beside them, and that is finished.)
 * 3. A directory that we held and let go of because it was being taken away
 *    is a grave: its descriptor is kept until it is gone from the disk, and
 *    while it is kept no new directory can have its inode. What looks like
 *    rule 1 and is a grave is rm's, not mkdir's.
 */
#include "config.h"

#include "spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SETTLED_NS	20000000	/* more than a tick of any kernel */
#define MAKING ".making"
#define FILES_WANTED 16384	/* boxes times seven descriptors, with room */

static const char *const sub_name[SPOOL_SUBS] = {
	[SPOOL_NEW] = "new",
	[SPOOL_CUR] = "cur",
	[SPOOL_TMP] = "tmp",
	[SPOOL_OUT] = "out"
};

/* ------------------------------------------------------ root, instance */

/* Ours, and nobody else may write to it. */
static int
check_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EACCES;
	return 0;
}

/* A path that our own user gave: it may lead through links. */
static int
open_given(const char *path, bool create)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = open(path, flags);

	if (fd == -1 && errno == ENOENT && create) {
		if (mkdir(path, 0700) == -1 && errno != EEXIST)
			return -errno;
		fd = open(path, flags);
	}
	return fd == -1 ? -errno : fd;
}

/* A path below a directory of ours: one component after the other. */
static int
open_below(int at, const char *path, bool create)
{
	char name[SPOOL_NAME_MAX];
	int dir = at, next, rc;

	do {
		size_t len = strcspn(path, "/");

		if (len == 0 || len >= sizeof(name)) {
			rc = -EINVAL;
			break;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		path += path[len] == '/' ? len + 1 : len;
		rc = spool_subdir(dir, name, create, &next);
		if (rc < 0)
			break;
		if (dir != at)
			close(dir);
		dir = next;
	} while (*path != '\0');
	if (rc < 0 && dir != at)
		close(dir);
	return rc < 0 ? rc : dir;
}

const char *
spool_root_path(void)
{
	const char *path = getenv("AGENTCHAT_DIR");

	return path != NULL && *path != '\0' ? path : "./.agentchat";
}

static int
open_root(const char *path, bool create)
{
	return open_given(path != NULL && *path != '\0' ? path :
	    spool_root_path(), create);
}

int
spool_root_look(const char *path, int *fd)
{
	*fd = open_root(path, false);
	return *fd < 0 ? *fd : 0;
}

int
spool_root(const char *path, bool create, int *fd)
{
	int dir, rc;

	dir = open_root(path, create);
	if (dir < 0)
		return dir;
	rc = check_private(dir);
	if (rc == 0 && create) {
		rc = fs_exists(dir, ".gitignore");
		if (rc == 0)
			rc = spool_replace(dir, ".gitignore", "*\n", 2, false);
	}
	if (rc < 0) {
		close(dir);
		return rc;
	}
	*fd = dir;
	return 0;
}

/* A hundred boxes are more descriptors than the usual soft limit of 1024. */
static void
want_files(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 || rl.rlim_cur >= FILES_WANTED)
		return;
	rl.rlim_cur = rl.rlim_max < FILES_WANTED ? rl.rlim_max : FILES_WANTED;
	/* In vain is no harm: fewer boxes can be open then. */
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

int
spool_open(struct spool **out, int at, const char *path, bool create)
{
	struct spool *sp;
	int dir, rc;

	dir = at == AT_FDCWD ? open_given(path, create) :
	    open_below(at, path, create);
	if (dir < 0)
		return dir;
	rc = check_private(dir);
	sp = rc == 0 ? calloc(1, sizeof(*sp)) : NULL;
	if (sp == NULL) {
		close(dir);
		return rc < 0 ? rc : -ENOMEM;
	}
	sp->dir = dir;
	sp->lock = -1;
	map_init(&sp->boxes);
	want_files();
	*out = sp;
	return 0;
}

static void
box_free(struct spool_box *box)
{
	if (box->sp->watch != NULL)
		watch_forget(box->sp->watch, box);
	spool_ring_close(box->ring);
	for (int i = 0; i < SPOOL_SUBS; i++)
		if (box->sub[i] != -1)
			close(box->sub[i]);
	if (box->dir != -1)
		close(box->dir);
	free(box);
}

static void
grave_free(struct spool_grave **at)
{
	struct spool_grave *g = *at;

	*at = g->next;
	close(g->dir);
	free(g);
}

void
spool_close(struct spool *sp)
{
	struct spool_box *box;
	size_t at = 0;

	if (sp == NULL)
		return;
	while ((box = map_next(&sp->boxes, &at)) != NULL)
		box_free(box);
	map_fini(&sp->boxes);
	if (sp->watch != NULL)
		watch_forget(sp->watch, NULL);
	while (sp->graves != NULL)
		grave_free(&sp->graves);
	spool_ring_close(sp->ring);
	spool_unlock(sp);
	close(sp->dir);
	free(sp);
}

int
spool_dir(const struct spool *sp)
{
	return sp->dir;
}

/* ---------------------------------------------------------------- boxes */

bool
spool_box_name_ok(const char *name, size_t len)
{
	if (len < 2 || len >= SPOOL_BOX_MAX ||
	    (name[0] != '#' && name[0] != '@'))
		return false;
	for (size_t i = 1; i < len; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '_' && c != '-')
			return false;
	}
	return true;
}

/* Names come from the network, a million if it likes: so they are counted. */
static int
check_room(const struct spool *sp, const char *name)
{
	struct spool_names l;
	size_t n = 0;
	int rc;

	if (name[0] != '@' || strcmp(name, SPOOL_OTHER) == 0)
		return 0;
	rc = fs_list(sp->dir, FS_DIRS, &l);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l.n; i++)
		if (l.name[i][0] == '@' && strcmp(l.name[i], SPOOL_OTHER) != 0)
			n++;
	spool_names_fini(&l);
	return n >= SPOOL_BOXES_MAX ? -EMFILE : 0;
}

static struct spool_id
id_of(const struct stat *st)
{
	return (struct spool_id){ st->st_dev, st->st_ino };
}

static bool
is_id(const struct stat *st, const struct spool_id *id)
{
	return st->st_dev == id->dev && st->st_ino == id->ino;
}

/* Is this directory the one that the agent was taking away? (rule 3) */
static bool
is_grave(struct spool *sp, const char *name, int dir)
{
	struct stat here, held;

	for (struct spool_grave *g = sp->graves; g != NULL; g = g->next)
		if (strcmp(g->name, name) == 0 && fstat(g->dir, &held) == 0 &&
		    fstat(dir, &here) == 0 && held.st_dev == here.st_dev &&
		    held.st_ino == here.st_ino)
			return true;
	return false;
}

/* Let go of the graves of this name, and of those that are gone for good. */
static void
forget_graves(struct spool *sp, const char *name)
{
	struct spool_grave **at = &sp->graves;
	struct stat st;

	while (*at != NULL)
		if ((name != NULL && strcmp((*at)->name, name) == 0) ||
		    fstat((*at)->dir, &st) == -1 || st.st_nlink == 0)
			grave_free(at);
		else
			at = &(*at)->next;
}

static int
count_subs(int dir, bool there[SPOOL_SUBS])
{
	int rc, have = 0;

	for (int i = 0; i < SPOOL_SUBS; i++) {
		rc = fs_exists(dir, sub_name[i]);
		if (rc < 0)
			return rc;
		there[i] = rc == 1;
		have += rc;
	}
	return have;
}

/*
 * Make the sub-folders that are missing, if the three rules say so. A command
 * and the daemon may be at it together: whatever the other has made is fine.
 */
static int
complete(struct spool *sp, const char *name, int dir, bool create)
{
	bool there[SPOOL_SUBS], fresh;
	int making, have;

	have = count_subs(dir, there);
	if (have < 0)
		return have;
	making = fs_exists(dir, MAKING);
	if (making < 0)
		return making;
	if (making == 0 && have > 0 && have < SPOOL_SUBS) {
		/* Did the other finish between our two looks? */
		have = count_subs(dir, there);
		if (have < 0)
			return have;
	}
	if (have == SPOOL_SUBS)
		return making == 1 ? fs_remove(dir, MAKING) : 0;
	fresh = have == 0 || (have == 1 && there[SPOOL_OUT]);
	if (!create && ((!fresh && making == 0) || is_grave(sp, name, dir)))
		return -ENOENT;
	if (making == 0 && mkdirat(dir, MAKING, 0700) == -1 &&
	    errno != EEXIST)
		return -errno;
	for (int i = 0; i < SPOOL_SUBS; i++)
		if (!there[i] && mkdirat(dir, sub_name[i], 0700) == -1 &&
		    errno != EEXIST)
			return -errno;
	return fs_remove(dir, MAKING);
}

/* Fill in a box from its directory, which becomes the box's. */
static int
hold(struct spool_box *box)
{
	struct stat st;

	if (fstat(box->dir, &st) == -1)
		return -errno;
	box->dir_id = id_of(&st);
	for (int i = 0; i < SPOOL_SUBS; i++) {
		box->sub[i] = fs_open_dir(box->dir, sub_name[i]);
		if (box->sub[i] < 0) {
			int rc = box->sub[i];

			box->sub[i] = -1;
			return rc;
		}
		if (fstat(box->sub[i], &st) == -1)
			return -errno;
		box->sub_id[i] = id_of(&st);
	}
	return 0;
}

static int
open_dir(struct spool *sp, const char *name, bool create)
{
	int dir = fs_open_dir(sp->dir, name), rc;

	if (dir != -ENOENT || !create)
		return dir;
	rc = check_room(sp, name);
	if (rc < 0)
		return rc;
	if (mkdirat(sp->dir, name, 0700) == -1 && errno != EEXIST)
		return -errno;
	return fs_open_dir(sp->dir, name);
}

int
spool_box(struct spool *sp, const char *name, bool create,
    struct spool_box **out)
{
	size_t len = strlen(name);
	struct spool_box *box;
	int rc;

	if (!spool_box_name_ok(name, len))
		return -EINVAL;
	box = map_get(&sp->boxes, name, len);
	if (box != NULL) {
		*out = box;
		return 0;
	}
	box = malloc(sizeof(*box));
	if (box == NULL)
		return -ENOMEM;
	*box = (struct spool_box){
		.sp = sp, .dir = -1, .sub = { -1, -1, -1, -1 }
	};
	memcpy(box->name, name, len + 1);
	rc = open_dir(sp, name, create);
	if (rc >= 0) {
		box->dir = rc;
		rc = complete(sp, name, box->dir, create);
	}
	if (rc == 0)
		rc = hold(box);
	if (rc == 0)
		rc = map_put(&sp->boxes, box->name, len, box);
	if (rc < 0) {
		box_free(box);
		return rc;
	}
	forget_graves(sp, name);
	*out = box;
	return 0;
}

/* Only a name that leads elsewhere counts; EIO is no reason to leave. */
static bool
is_elsewhere(int dir, const char *name, const struct spool_id *id)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT || errno == ENOTDIR;
	return !is_id(&st, id);
}

bool
spool_box_gone(const struct spool_box *box)
{
	if (is_elsewhere(box->sp->dir, box->name, &box->dir_id))
		return true;
	for (int i = 0; i < SPOOL_SUBS; i++)
		if (is_elsewhere(box->dir, sub_name[i], &box->sub_id[i]))
			return true;
	return false;
}

/*
 * Is a directory's time of change worth remembering? A change soon after it
 * can carry the same: clocks of file systems tick, some in whole seconds.
 */
static bool
is_settled(const struct timespec *changed)
{
	struct timespec now;
	int64_t age_ns;

	clock_gettime(CLOCK_REALTIME, &now);
	age_ns = (int64_t)(now.tv_sec - changed->tv_sec) * 1000000000 +
	    now.tv_nsec - changed->tv_nsec;
	return changed->tv_nsec != 0 && age_ns > SETTLED_NS;
}

void
spool_glance(struct spool *sp)
{
	if (++sp->glance == 0)
		sp->glance = 1;
}

bool
box_gone(struct spool_box *box)
{
	struct timespec *was = &box->unchanged;
	struct stat st;

	if (box->sp->glance != 0 && box->looked == box->sp->glance)
		return false;
	/* What happens to a sub-folder's name changes the box's directory. */
	if (fstatat(box->sp->dir, box->name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !is_id(&st, &box->dir_id))
		return spool_box_gone(box);
	if (was->tv_nsec == 0 || was->tv_sec != st.st_ctim.tv_sec ||
	    was->tv_nsec != st.st_ctim.tv_nsec) {
		*was = (struct timespec){ 0 };
		if (spool_box_gone(box))
			return true;
		if (is_settled(&st.st_ctim))
			*was = st.st_ctim;
	}
	box->looked = box->sp->glance;
	return false;
}

void
spool_box_drop(struct spool *sp, struct spool_box *box)
{
	struct spool_grave *g;

	forget_graves(sp, NULL);
	/* Without memory there is no grave: at worst an rm -r fails once. */
	g = spool_box_gone(box) ? malloc(sizeof(*g)) : NULL;
	if (g != NULL) {
		memcpy(g->name, box->name, sizeof(g->name));
		g->dir = box->dir;
		g->next = sp->graves;
		sp->graves = g;
	}
	(void)map_del(&sp->boxes, box->name, strlen(box->name));
	if (g != NULL)
		box->dir = -1;	/* the grave's now */
	box_free(box);
}

const char *
spool_box_name(const struct spool_box *box)
{
	return box->name;
}

int
spool_box_dir(const struct spool_box *box)
{
	return box->dir;
}

int
spool_box_sub(const struct spool_box *box, enum spool_sub sub)
{
	return box->sub[sub];
}

static int
each_dir(struct spool *sp, bool fit, int (*fn)(void *, const char *),
    void *arg)
{
	struct spool_names l;
	int rc;

	rc = fs_list(sp->dir, FS_DIRS, &l);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l.n && rc == 0; i++)
		if ((l.name[i][0] == '#' || l.name[i][0] == '@') &&
		    spool_box_name_ok(l.name[i], strlen(l.name[i])) == fit)
			rc = fn(arg, l.name[i]);
	spool_names_fini(&l);
	return rc;
}

int
spool_each_box(struct spool *sp, int (*fn)(void *, const char *), void *arg)
{
	forget_graves(sp, NULL);
	return each_dir(sp, true, fn, arg);
}

int
spool_each_misnamed(struct spool *sp, int (*fn)(void *, const char *),
    void *arg)
{
	return each_dir(sp, false, fn, arg);
}
