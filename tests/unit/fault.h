/*
 * fault.h - make system calls fail or the process die at the nth of them.
 *
 * Linked with -Wl,--wrap for each call of FAULT_CALLS; the product knows
 * nothing of it.
 */
#ifndef AC_TESTS_FAULT_H
#define AC_TESTS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FAULT_EXIT 77

/* Calls pass through again, and are counted from 0. */
void	fault_none(void);
long	fault_count(void);

/* _exit(FAULT_EXIT) instead of the nth call; a write may do half of it. */
void	fault_die(long nth, bool half);

/* The nth call of this name (0: each) fails. */
void	fault_fail(const char *call, long nth, int err);

/* Every call fails. */
void	fault_fail_all(int err);

/* No write takes more than max bytes. */
void	fault_short(size_t max);

/*
 * Run step in a forked child that dies at its call N, for N = 1 up to where
 * it comes to its end, and verify in the parent after each. The step returns
 * 0 or the test fails. Twice: writes not begun, and half done.
 */
void	fault_each(void (*prepare)(void *), int (*step)(void *),
	    void (*verify)(void *, bool died), void *arg);

/*
 * A power cut, at its worst for data: every file in the directory whose name
 * is a journal segment's ends where its last sync found it. What happened to
 * names has happened. Syncs are noted from fault_note_syncs() on, in children
 * too; the directory must be the only one.
 */
void	fault_note_syncs(void);
/* Of len bytes of a file, those before the zeros that end it. */
off_t	fault_used(int fd, off_t len);
void	fault_cut(int dir);

/* Append to a file, made if need be, whatever else fails. */
void	fault_append(int dir, const char *name, const void *, size_t len);

/* A new empty directory: out gets its path, the result is open on it. */
int	fault_dir(char out[64]);
void	fault_dir_remove(int fd, const char *path);

#endif
