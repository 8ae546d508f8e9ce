/*
 * watch.c - inotify, as hints where to look.
 *
 * Events are folded into one set of hints per box and one for the instance,
 * and those are told when the descriptor has been emptied: ten thousand files
 * dropped at once are one hint. An overflow is the hint to look everywhere.
 *
 * Our own writes come back as events. They can't be told from others' in
 * general, but what they touch can: in the directories that we write to, only
 * sub-folders and outbox.jsonl count, and in those where a reader waits only
 * names without a leading dot. Nothing else raises a hint.
 *
 * A watch is set through the descriptor that we hold (/proc/self/fd), so that
 * it is on the directory that we mean and not on one that has its name now.
 *
 * When watches run out half way, those that are set stay useful, but hints
 * alone will not do any more: a call that finds no event is a timer's, and
 * then everything is a hint.
 */
#include "config.h"

#include "spool/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_INOTIFYTOOLS_INOTIFY_H
#include <inotifytools/inotify.h>
#else
#include <sys/inotify.h>
#endif
#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#define FD_PATH "/proc/self/fd"
#else
#define FD_PATH "/dev/fd"
#endif

#define OUTBOX "outbox.jsonl"
#define EVENTS_BYTES (16 << 10)	/* read at a time */
#define LEAVES (IN_MOVED_FROM | IN_DELETE)	/* of new/: it was read */

/* The watches of a set, by what they are on. */
enum place {
	AT_DIR,		/* the directory itself */
	AT_OUT,		/* a box: out/ */
	AT_NEW,		/* a box: new/ */
	AT_OUTBOX,	/* the instance: outbox.jsonl, the file */
	AT_RETIRED,	/* the file before it: it may have writers yet */
	AT_SENT,
	AT_FAILED,
	PLACES
};

/* The watches of the instance, or of one box, and what they have told. */
struct watch_set {
	struct watch_set *next;		/* of all */
	struct watch_set *next_told;	/* of those with hints, in order */
	struct spool_box *box;		/* NULL: the instance */
	unsigned	 hints;		/* not passed on yet */
	int		 wd[PLACES];	/* -1: not watched */
};

struct spool_watch {
	struct spool	*sp;		/* NULL: closed before us */
	int		 fd;		/* -1: poll */
	unsigned	 wants;
	const char	*trouble;
	struct watch_set *sets;		/* the instance's is the last */
	struct watch_set *told;
	struct watch_set **told_end;
	bool		 lost;		/* events were */
	struct watch_set instance;
};

/* ------------------------------------------------------- adding, removing */

static void
set_init(struct watch_set *s, struct spool_box *box)
{
	*s = (struct watch_set){ .box = box };
	for (int i = 0; i < PLACES; i++)
		s->wd[i] = -1;
}

static void
unwatch(struct spool_watch *w, int *wd)
{
	/* Fails if what it watched is gone, and the watch with it. */
	if (*wd != -1)
		(void)inotify_rm_watch(w->fd, *wd);
	*wd = -1;
}

/* What can't be had, and the cure. */
static const char *
reason(int err)
{
	switch (err) {
	case ENOSPC:
		return "inotify watches are used up: raise the sysctl "
		    "fs.inotify.max_user_watches";
	case EMFILE:
		return "inotify instances are used up: raise the sysctl "
		    "fs.inotify.max_user_instances";
	case ENFILE:
		return "open files are used up: raise the sysctl fs.file-max";
	case ENOMEM:
		return "inotify got no memory from the kernel";
	case ENOSYS:
		return "this kernel has no inotify";
	default:
		return "inotify can't look through " FD_PATH ": mount it";
	}
}

/*
 * Watch a directory, or the file of that name in it. A file that isn't there
 * is no trouble: its directory is watched.
 */
static void
watch(struct spool_watch *w, int *wd, int dir, const char *file, uint32_t mask)
{
	char path[sizeof(FD_PATH) + 16 + sizeof(OUTBOX)];

	snprintf(path, sizeof(path), "%s/%d%s%s", FD_PATH, dir,
	    file != NULL ? "/" : "", file != NULL ? file : "");
	mask |= file != NULL ? IN_DONT_FOLLOW : IN_ONLYDIR;
	*wd = inotify_add_watch(w->fd, path, mask);
	if (*wd == -1 && (file == NULL || errno != ENOENT))
		w->trouble = reason(errno);
}

/* The outbox's watch is on the file, and has to follow the name. */
static void
watch_outbox(struct spool_watch *w)
{
	struct watch_set *s = &w->instance;
	int wd;

	if ((w->wants & SPOOL_HINT_OUTBOX) == 0)
		return;
	watch(w, &wd, w->sp->dir, OUTBOX, IN_MODIFY | IN_CLOSE_WRITE);
	if (wd == s->wd[AT_OUTBOX])
		return;
	if (s->wd[AT_OUTBOX] != -1) {
		unwatch(w, &s->wd[AT_RETIRED]);
		s->wd[AT_RETIRED] = s->wd[AT_OUTBOX];
	}
	if (wd == s->wd[AT_RETIRED])
		s->wd[AT_RETIRED] = -1;	/* moved back */
	s->wd[AT_OUTBOX] = wd;
}

static int
watch_receipts(struct spool_watch *w, int *wd, const char *name)
{
	int dir, rc = spool_subdir(w->sp->dir, name, true, &dir);

	if (rc < 0)
		return rc;
	watch(w, wd, dir, NULL, IN_MOVED_TO | IN_CREATE);
	close(dir);
	return 0;
}

static int
watch_instance(struct spool_watch *w)
{
	struct watch_set *s = &w->instance;
	int rc = 0;

	if ((w->wants & SPOOL_HINT_RECEIPT) != 0) {
		rc = watch_receipts(w, &s->wd[AT_SENT], "sent");
		if (rc == 0)
			rc = watch_receipts(w, &s->wd[AT_FAILED], "failed");
	}
	if (rc < 0)
		return rc;
	if ((w->wants & (SPOOL_HINT_INSTANCE | SPOOL_HINT_OUTBOX)) != 0)
		watch(w, &s->wd[AT_DIR], w->sp->dir, NULL, IN_CREATE |
		    IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF |
		    IN_MOVE_SELF);
	watch_outbox(w);
	return 0;
}

/* Does the spool lie where other machines' writes make no events? */
static const char *
remote(int dir)
{
#ifdef __linux__
	struct statfs fs;

	if (fstatfs(dir, &fs) == -1)
		return NULL;
	switch ((uint32_t)fs.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case 0xff534d42:	/* CIFS */
	case 0xfe534d42:	/* SMB2 */
	case 0x01021997:	/* 9p */
	case 0x65735546:	/* FUSE, virtiofs */
	case 0x00c36400:	/* Ceph */
	case 0x5346414f:	/* AFS */
		return "the spool is on a network or FUSE file system, where "
		    "inotify misses writes: put it on a local disk";
	default:
		return NULL;
	}
#else
	(void)dir;
	return NULL;
#endif
}

/* ---------------------------------------------------------------- hints */

static void
tell(struct spool_watch *w, struct watch_set *s, unsigned hints)
{
	hints &= w->wants;
	if (hints == 0)
		return;
	if (s->hints == 0) {
		s->next_told = NULL;
		*w->told_end = s;
		w->told_end = &s->next_told;
	}
	s->hints |= hints;
}

/* Take a set out of the list of those with hints. */
static void
untell(struct spool_watch *w, struct watch_set *s)
{
	struct watch_set **at = &w->told;

	if (s->hints == 0)
		return;
	s->hints = 0;
	while (*at != s)
		at = &(*at)->next_told;
	*at = s->next_told;
	if (w->told_end == &s->next_told)
		w->told_end = at;
}

static struct watch_set *
find(const struct spool_watch *w, int wd, enum place *place)
{
	for (struct watch_set *s = w->sets; s != NULL; s = s->next)
		for (int i = 0; i < PLACES; i++)
			if (s->wd[i] == wd) {
				*place = (enum place)i;
				return s;
			}
	return NULL;
}

static bool
is_sub_folder(const char *name)
{
	return strcmp(name, "new") == 0 || strcmp(name, "cur") == 0 ||
	    strcmp(name, "tmp") == 0 || strcmp(name, "out") == 0;
}

static void
instance_event(struct spool_watch *w, const struct inotify_event *ev,
    const char *name)
{
	if ((ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
		w->lost = true;
	} else if ((ev->mask & IN_ISDIR) != 0) {
		/* One that can be no box is news as well. */
		if (name[0] == '#' || name[0] == '@')
			tell(w, &w->instance, SPOOL_HINT_INSTANCE);
	} else if (strcmp(name, OUTBOX) == 0) {
		watch_outbox(w);
		tell(w, &w->instance, SPOOL_HINT_OUTBOX);
	}
}

static void
event(struct spool_watch *w, const struct inotify_event *ev)
{
	const char *name = ev->len > 0 ? ev->name : "";
	bool dir = (ev->mask & IN_ISDIR) != 0;
	enum place place;
	struct watch_set *s;

	if ((ev->mask & IN_Q_OVERFLOW) != 0) {
		w->lost = true;
		return;
	}
	s = find(w, ev->wd, &place);
	if (s == NULL)
		return;		/* one that we took back */
	if ((ev->mask & IN_UNMOUNT) != 0)
		w->lost = true;
	if ((ev->mask & IN_IGNORED) != 0) {
		s->wd[place] = -1;
		return;
	}
	switch (place) {
	case AT_DIR:
		if (s->box == NULL)
			instance_event(w, ev, name);
		else if ((ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0 ||
		    (dir && is_sub_folder(name)))
			tell(w, s, SPOOL_HINT_BOX);
		break;
	case AT_OUTBOX:
	case AT_RETIRED:
		tell(w, s, SPOOL_HINT_OUTBOX);
		break;
	case AT_OUT:
	case AT_NEW:
	case AT_SENT:
	case AT_FAILED:
		if (dir || name[0] == '.' || name[0] == '\0')
			break;
		tell(w, s, place == AT_OUT ? SPOOL_HINT_DROP :
		    place != AT_NEW ? SPOOL_HINT_RECEIPT :
		    (ev->mask & LEAVES) != 0 ? SPOOL_HINT_READ :
		    SPOOL_HINT_NEW);
		break;
	case PLACES:
		break;
	}
}

/* Empty the descriptor. 1 if there was anything, 0, or a negative errno. */
static int
read_events(struct spool_watch *w)
{
	union {
		struct inotify_event align;
		char bytes[EVENTS_BYTES];
	} u;
	struct inotify_event ev;
	int any = 0;
	ssize_t n;

	for (;;) {
		n = read(w->fd, u.bytes, sizeof(u.bytes));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? any : -errno;
		if (n == 0)
			return any;
		any = 1;
		for (size_t at = 0; at + sizeof(ev) <= (size_t)n;
		    at += sizeof(ev) + ev.len) {
			memcpy(&ev, u.bytes + at, sizeof(ev));
			event(w, (const void *)(u.bytes + at));
		}
	}
}

/* ---------------------------------------------------------------- public */

int
spool_watch_open(struct spool_watch **out, struct spool *sp, unsigned wants,
    bool poll)
{
	struct spool_watch *w;
	int rc;

	if (sp->watch != NULL)
		return -EBUSY;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->sp = sp;
	w->fd = -1;
	w->wants = wants;
	w->told_end = &w->told;
	set_init(&w->instance, NULL);
	w->sets = &w->instance;
	w->trouble = remote(sp->dir);
	if (!poll && w->trouble == NULL) {
		w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (w->fd == -1)
			w->trouble = reason(errno);
	}
	if (w->fd != -1) {
		rc = watch_instance(w);
		if (rc < 0) {
			close(w->fd);
			free(w);
			return rc;
		}
		/* Not even these: nobody waits on the descriptor yet. */
		if (w->trouble != NULL) {
			close(w->fd);
			w->fd = -1;
		}
	}
	sp->watch = w;
	*out = w;
	return 0;
}

void
spool_watch_close(struct spool_watch *w)
{
	struct watch_set *s, *next;

	if (w == NULL)
		return;
	for (s = w->sets; s != &w->instance; s = next) {
		next = s->next;
		s->box->watched = NULL;
		free(s);
	}
	if (w->sp != NULL)
		w->sp->watch = NULL;
	if (w->fd != -1)
		close(w->fd);
	free(w);
}

void
watch_forget(struct spool_watch *w, struct spool_box *box)
{
	struct watch_set **at = &w->sets, *s;

	if (box == NULL) {
		w->sp = NULL;
		return;
	}
	s = box->watched;
	if (s == NULL)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	untell(w, s);
	for (int i = 0; i < PLACES; i++)
		unwatch(w, &s->wd[i]);
	box->watched = NULL;
	free(s);
}

int
spool_watch_fd(const struct spool_watch *w)
{
	return w->fd;
}

const char *
spool_watch_trouble(const struct spool_watch *w)
{
	return w->trouble;
}

int
spool_watch_box(struct spool_watch *w, struct spool_box *box)
{
	struct watch_set *s = box->watched;
	uint32_t mask = 0;

	if (w->fd == -1 || s != NULL)
		return 0;
	s = malloc(sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	set_init(s, box);
	s->next = w->sets;
	w->sets = s;
	box->watched = s;
	if ((w->wants & SPOOL_HINT_BOX) != 0)
		watch(w, &s->wd[AT_DIR], box->dir, NULL, IN_DELETE |
		    IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF);
	if ((w->wants & SPOOL_HINT_DROP) != 0)
		watch(w, &s->wd[AT_OUT], box->sub[SPOOL_OUT], NULL,
		    IN_CLOSE_WRITE | IN_MOVED_TO);
	if ((w->wants & SPOOL_HINT_NEW) != 0)
		mask |= IN_MOVED_TO | IN_CREATE;
	if ((w->wants & SPOOL_HINT_READ) != 0)
		mask |= LEAVES;
	if (mask != 0)
		watch(w, &s->wd[AT_NEW], box->sub[SPOOL_NEW], NULL, mask);
	return 0;
}

int
spool_watch_read(struct spool_watch *w, spool_hint_fn *fn, void *arg)
{
	struct watch_set *s;
	unsigned hint;
	int rc = 0;

	if (w->sp == NULL)
		return -EBADF;
	if (w->fd != -1)
		rc = read_events(w);
	if (rc < 0)
		return rc;
	if (w->lost || w->fd == -1 || (w->trouble != NULL && rc == 0)) {
		w->lost = false;
		while (w->told != NULL)
			untell(w, w->told);
		/* The outbox may be another one by now. */
		if (w->fd != -1)
			watch_outbox(w);
		fn(arg, SPOOL_HINT_ALL, NULL);
		return 0;
	}
	/* One at a time: fn may drop this box, or any. */
	while ((s = w->told) != NULL) {
		hint = s->hints & -s->hints;
		if (s->hints == hint)
			untell(w, s);
		else
			s->hints &= ~hint;
		fn(arg, (enum spool_hint)hint, s->box);
	}
	return 0;
}
