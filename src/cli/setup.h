/*
 * setup.h - what `agentchat setup` puts into files of a project, and takes out
 * again.
 *
 * Two kinds of files are changed. A note is text for the agent: a skill of its
 * own, or a section in a file with other text. Hooks are JSON that a harness
 * reads. Both are changed as text, so that what others wrote there keeps its
 * bytes. To take back exactly what was done it has to be known what had been
 * there: that is in the note's last line (struct setup_mark), and so it goes
 * where the project goes.
 */
#ifndef AC_CLI_SETUP_H
#define AC_CLI_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/cmd.h"

#define SETUP_HOOK "agentchat status --hook"	/* every command of ours */

/* How much of the hooks' file had not been there. */
enum setup_level {
	SETUP_FILE,		/* the file */
	SETUP_HOOKS,		/* its member "hooks" */
	SETUP_STOP,		/* the list "Stop" in that */
	SETUP_ENTRY		/* only our entry; or not known */
};

struct setup_mark {
	char	 target[16];	/* "claude" */
	int	 dirs;		/* how many directories were made */
	int	 made;		/* 1: the note's file was made too */
	int	 sep;		/* newlines put before the note */
	int	 level;		/* enum setup_level */
};

#define SETUP_DEPTH 3		/* of directories that setup makes */

struct setup_target {
	const char	*name;
	const char	*dirs[SETUP_DEPTH + 1];	/* one in the other */
	const char	*note;		/* file, in the directory */
	int		 note_depth;	/* of this depth */
	const char	*begin, *head;	/* of the note */
	const char	*hooks;		/* file in the first, or NULL */
	const char	*then;		/* what is left to do, or NULL */
};

struct setup_file {
	const char	*name;
	int		 depth;
	char		 path[64];	/* from the project, for people */
	bool		 had, has;	/* before, and after */
	struct buf	 was, is;
	mode_t		 mode;
};

struct setup {
	const struct cmd *cmd;
	const struct setup_target *t;
	int		 project;	/* directory */
	const char	*instance;	/* NULL: whichever it is then */
	struct setup_file note, hooks;
	struct setup_mark mark;
};

/* ----------------------------------------------------------- setup_file.c */

/* Say what is wrong with a file. Returns an exit code, as those below do. */
int	setup_fail_file(const struct setup *, const char *path, int rc)
	    AC_NONNULL(1, 2);

/* How many of the target's directories are missing, or a negative errno. */
int	setup_missing(const struct setup *) AC_NONNULL(1) AC_MUST_CHECK;

/* Read a file; that there is none is no error. Its bufs are the caller's. */
int	setup_load(struct setup *, struct setup_file *, const char *name,
	    int depth) AC_NONNULL(1, 2, 3) AC_MUST_CHECK;
bool	setup_changes(const struct setup_file *) AC_NONNULL(1);

/*
 * Write, make or remove it, whole and with the mode it had, if there are
 * changes and it still is what it was when it was loaded.
 */
int	setup_store(const struct setup *, const struct setup_file *)
	    AC_NONNULL(1, 2) AC_MUST_CHECK;

/* Directories that setup made go, where nothing else is in them by now. */
void	setup_drop_dirs(const struct setup *) AC_NONNULL(1);

/* ----------------------------------------------------------- setup_note.c */

/* Where a note is in a text. */
struct setup_span {
	size_t	 from, to;
};

/*
 * Look for a note that begins with the words of begin, which stand at a line's
 * start. Returns 1; 0: there is none; -EINVAL: its end is missing or can't be
 * read, or there are several.
 */
int	setup_note_find(const struct buf *text, const char *begin,
	    struct setup_span *, struct setup_mark *)
	    AC_NONNULL(1, 2, 3, 4) AC_MUST_CHECK;

/* Newlines that part a note from the text before it: 0, 1 or 2. */
int	setup_note_sep(const struct buf *text) AC_NONNULL(1);

/* Append a note: head and what an agent has to know, then the mark. */
void	setup_note(struct buf *, const char *head, const char *instance,
	    const struct setup_mark *) AC_NONNULL(1, 2, 4);

/* Append the text without the note that was found in it. */
void	setup_note_cut(struct buf *out, const struct buf *text,
	    const struct setup_span *, const struct setup_mark *)
	    AC_NONNULL(1, 2, 3, 4);

/* ---------------------------------------------------------- setup_hooks.c */

#define SETUP_WHY_MAX 160

/*
 * Append the text (NULL: there is no file) with command as a hook of Stop,
 * instead of another of ours. *level is what setup knew of the file before,
 * and what it is to know from now on.
 *
 * Returns 0; AC_E_INVALID_MSG: the text is no JSON with room for hooks, why
 * says it; -ENOMEM.
 */
int	setup_hooks_add(struct buf *out, const struct buf *text,
	    const char *command, int *level, char why[SETUP_WHY_MAX])
	    AC_NONNULL(1, 3, 4, 5) AC_MUST_CHECK;

/*
 * Append the text without hooks of ours, and without what level says was made
 * for them, where nothing else has come to be in it. Errors as above.
 *
 *	gone	out: nothing is left, and the file was ours
 */
int	setup_hooks_cut(struct buf *out, const struct buf *text, int level,
	    bool *gone, char why[SETUP_WHY_MAX])
	    AC_NONNULL(1, 2, 4, 5) AC_MUST_CHECK;

#endif
