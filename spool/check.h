/*
 * check.h - look at a spool from outside and say what is wrong with it.
 *
 * A check is handed down through the floors: each tells what it finds, and
 * with repair mends what it can. What is mended are views and modes; what
 * can't be read is moved to quarantine/ in the spool, under its path with '/'
 * as '_'. No message is ever removed.
 *
 * Without repair nothing is changed, so a spool in use may be looked at. With
 * it, the caller holds the spool's lock.
 */
#ifndef AC_SPOOL_CHECK_H
#define AC_SPOOL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"

#define CHECK_QUARANTINE "quarantine"
#define CHECK_LINES_MAX	(64 << 20)	/* bytes of a file of lines */

enum check_kind {
	CHECK_NOTE,		/* good to know: nothing is wrong */
	CHECK_WRONG,
	CHECK_MENDED		/* was wrong */
};

/* Texts are sentences for people, but path may have any bytes. Borrowed. */
struct check_finding {
	enum check_kind	 kind;
	const char	*code;		/* one word, for programs */
	const char	*path;		/* below the spool; "." is itself */
	const char	*what;
	const char	*cure;		/* what to do, or was done; "": nothing */
};
typedef void check_fn(void *arg, const struct check_finding *);

struct check {
	check_fn	*fn;
	void		*arg;
	bool		 repair;
	int		 dir;		/* of the spool: for quarantine/ */
	size_t		 wrong, mended;
	size_t		 code_told;	/* how often the last code was told */
	const char	*code_last;
};

/*
 * Tell a finding; what as printf() does it. Of one kind that comes again and
 * again only the first CHECK_TOLD are told, but all are counted.
 */
#define CHECK_TOLD 20
void	check_tell(struct check *, enum check_kind, const char *code,
	    const char *path, const char *cure, const char *what, ...)
	    AC_NONNULL(1, 3, 4, 5, 6) AC_PRINTF(6, 7);

/*
 * The functions below take a path below the spool, for the finding, and the
 * descriptor of the directory that has its last component.
 *
 * check_dir	1: a directory of ours that nobody else may write to, or its
 *		mode was mended; *fd is the caller's. 0: told why it isn't;
 *		-ENOENT: not there
 * check_file	1: a regular file of ours without another name, and, if
 *		secret, nobody else's to read. Modes are mended, another name
 *		is parted with by a copy, anything else is moved away. 0: told;
 *		-ENOENT: not there
 * check_aside	1: moved to quarantine/; 0: that is not asked for; or an error
 */
int	check_dir(struct check *, int dir, const char *path, int *fd)
	    AC_NONNULL(1, 3, 4) AC_MUST_CHECK;
int	check_file(struct check *, int dir, const char *path, bool secret)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;
int	check_aside(struct check *, int dir, const char *path)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;

/*
 * Does somebody run the spool? With repair, we do from here on, or it is
 * -EBUSY; else it is told. who: "daemon" or "relay".
 */
struct spool;
int	check_holder(struct check *, struct spool *, const char *who,
	    bool *running) AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;

/* check_aside() of something wrong, and told, whichever way it went. */
void	check_away(struct check *, int dir, const char *path, const char *code,
	    const char *what) AC_NONNULL(1, 3, 4, 5);

/*
 * Every file in a directory but those that begin with a dot: check_file(),
 * then fn on its content (max bytes at most). fn returns NULL, or what is
 * wrong with it, and then it is check_away(). *good counts the good ones.
 */
typedef const char *check_content_fn(void *arg, const char *name,
    const char *text, size_t len);
int	check_each(struct check *, int dir, const char *path, size_t max,
	    check_content_fn *, void *arg, size_t *good)
	    AC_NONNULL(1, 3, 5, 7) AC_MUST_CHECK;

/* How many things are in a directory, whatever they are. */
int	check_count(int dir, size_t *n) AC_NONNULL(2) AC_MUST_CHECK;

/*
 * What is named like a directory, beginning with one of first, and is none:
 * a link that leads elsewhere, a file.
 */
int	check_links(struct check *, int dir, const char *first)
	    AC_NONNULL(1, 3) AC_MUST_CHECK;

/*
 * A file of lines, read: check_file() it before. fn is called for each line
 * that is whole, without padding and newline, and says whether it is good;
 * lines with NULs, or longer than a message, aren't shown to it. -ENOENT,
 * -EFBIG (CHECK_LINES_MAX).
 */
typedef bool check_line_fn(void *arg, const char *line, size_t len);
struct check_lines {
	size_t	good, bad;
	size_t	torn;		/* bytes behind the last newline */
};
int	check_lines(int dir, const char *name, check_line_fn *, void *arg,
	    struct check_lines *) AC_NONNULL(2, 3, 5) AC_MUST_CHECK;

#endif
