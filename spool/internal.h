/*
 * internal.h - what the files of spool/ share; nobody else includes it.
 */
#ifndef AC_SPOOL_INTERNAL_H
#define AC_SPOOL_INTERNAL_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/map.h"
#include "spool/spool.h"

/* ------------------------------------------------------------------ fs.c */

/*
 * Everything below takes one path component, relative to a directory
 * descriptor, and never follows a link: names with a slash, "." and ".." are
 * -EINVAL. So no path leaves the directory, whatever the name.
 */
bool	fs_name_ok(const char *name) AC_NONNULL(1);

/*
 * Open: a descriptor, or a negative errno. Close-on-exec and non-blocking, so
 * that a FIFO in place of a file can't hang us.
 *
 * fs_open_any	a regular file of ours: -ELOOP for a link, -EINVAL for
 *		anything else; *st is filled in. flags may have O_CREAT.
 * fs_open_file	the same with one name at most (0: renamed over while we
 *		looked, which is an ordinary case for a reader)
 * fs_create	a new, empty file, 0600; -EEXIST
 * fs_open_dir	a directory; -ELOOP or -ENOTDIR for anything else
 */
int	fs_open_any(int dir, const char *name, int flags, struct stat *st)
	    AC_NONNULL(2, 4) AC_MUST_CHECK;
int	fs_open_file(int dir, const char *name, int flags, struct stat *st)
	    AC_NONNULL(2, 4) AC_MUST_CHECK;
int	fs_create(int dir, const char *name) AC_NONNULL(2) AC_MUST_CHECK;
int	fs_open_dir(int dir, const char *name) AC_NONNULL(2) AC_MUST_CHECK;

/* All of it or an error; offset -1 writes where the descriptor stands. */
int	fs_write_all(int fd, const void *, size_t len) AC_MUST_CHECK;
int	fs_pwrite_all(int fd, const void *, size_t len, off_t at)
	    AC_MUST_CHECK;
/*
 * Append what there is from at to the end, at most max bytes. It reads a step
 * at a time, and takes the room of one more to see that there is no more.
 */
#define FS_READ_STEP (64u << 10)
int	fs_read_from(int fd, off_t at, size_t max, struct buf *out)
	    AC_NONNULL(4) AC_MUST_CHECK;
/* fsync of a file or directory. An error is final. */
int	fs_sync(int fd) AC_MUST_CHECK;

/* 1, 0, or a negative errno. Links aren't followed. */
int	fs_exists(int dir, const char *name) AC_NONNULL(2) AC_MUST_CHECK;
/* A file, link or empty directory; 0 also if there is none. */
int	fs_remove(int dir, const char *name) AC_NONNULL(2) AC_MUST_CHECK;

/* -EEXIST if the new name is taken, on every file system. */
int	fs_rename_noreplace(int from_dir, const char *from, int to_dir,
	    const char *to) AC_NONNULL(2, 4) AC_MUST_CHECK;

/*
 * spool_replace() that hands out the new file, open for reading and writing;
 * *fd is the caller's.
 *
 * FS_DURABLE	after 0 it survives power loss
 * FS_RENAMED	a power cut leaves the old or the new one on most file systems:
 *		they start to write the file when it is renamed over another
 * FS_SWAPPED	not even that, but then there is nothing to wait for when it
 *		is replaced again: for what changes often
 */
enum fs_how { FS_DURABLE, FS_RENAMED, FS_SWAPPED };
int	fs_replace(int dir, const char *name, const void *, size_t len,
	    enum fs_how, int *fd) AC_NONNULL(2, 6) AC_MUST_CHECK;
/* Remove what a crash left of replacements. Only for who holds the lock. */
void	fs_sweep(int dir);

/* Names in a directory, in strcmp() order. */
enum fs_kind {
	FS_FILES,	/* regular, not starting with a dot */
	FS_DIRS,	/* directories, not starting with a dot */
	FS_ALL		/* everything but "." and ".." */
};
int	fs_list(int dir, enum fs_kind, struct spool_names *)
	    AC_NONNULL(3) AC_MUST_CHECK;

/* ----------------------------------------------------------------- box.c */

#define SPOOL_SUBS 4	/* of enum spool_sub */

/* What tells one file from another while a descriptor holds it. */
struct spool_id {
	dev_t	dev;
	ino_t	ino;
};

/* A directory that the agent took away while we held it; see box.c. */
struct spool_grave {
	struct spool_grave *next;
	int	 dir;
	char	 name[SPOOL_BOX_MAX];
};

struct spool {
	int	 dir;
	int	 lock;			/* daemon.pid; -1: not locked */
	struct map boxes;		/* open ones, by name */
	struct spool_grave *graves;
	struct spool_ring *ring;	/* NULL until asked for */
	struct spool_watch *watch;	/* NULL if none */
	unsigned glance;		/* which; 0: look each time */
};

struct spool_box {
	struct spool *sp;
	char	 name[SPOOL_BOX_MAX];
	int	 dir;
	int	 sub[SPOOL_SUBS];
	struct spool_id dir_id;
	struct spool_id sub_id[SPOOL_SUBS];
	struct timespec unchanged;	/* box_gone()'s; 0: look again */
	unsigned looked;		/* sp->glance when it last was there */
	unsigned move_looked;		/* the same of spool_move(), its own */
	bool	 listed;		/* newest is known: deliver.c's */
	char	 newest[SPOOL_NAME_MAX];
	struct spool_ring *ring;	/* NULL until asked for */
	struct watch_set *watched;	/* NULL if not; watch.c's */
};

/* As spool_box_gone(), for every message: see spool_glance(). */
bool	box_gone(struct spool_box *) AC_NONNULL(1);

/* Let go of the lock, if we have it, and of the pid file. */
void	spool_unlock(struct spool *) AC_NONNULL(1);

/* --------------------------------------------------- ring.c and watch.c */

/* A ring that writes nothing once its box is gone. */
int	ring_open(struct spool_ring **, int dir, const char *name,
	    const struct spool_box *) AC_NONNULL(1, 3) AC_MUST_CHECK;

/* The box, or with NULL the whole spool, is about to be closed. */
void	watch_forget(struct spool_watch *, struct spool_box *) AC_NONNULL(1);

#endif
