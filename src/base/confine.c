/*
 * confine.c - no_new_privs and Landlock.
 *
 * Rights that a kernel doesn't know must not be asked for, and one that can't
 * grant renames from one directory to another (before ABI 2) would forbid
 * them all: a spool lives of them.
 */
#include "config.h"

#include "base/confine.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif

#if defined(HAVE_LINUX_LANDLOCK_H) && defined(LANDLOCK_ACCESS_FS_REFER) && \
    defined(SYS_landlock_create_ruleset)

#define WRITES	(LANDLOCK_ACCESS_FS_WRITE_FILE | \
		LANDLOCK_ACCESS_FS_REMOVE_DIR | \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | \
		LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
		LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
		LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
		LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

#ifdef LANDLOCK_ACCESS_FS_TRUNCATE
#define TRUNCATES LANDLOCK_ACCESS_FS_TRUNCATE
#else
#define TRUNCATES (UINT64_C(1) << 14)	/* ABI 3; older headers lack it */
#endif

static int
landlock(int dir)
{
	struct landlock_ruleset_attr rules = { .handled_access_fs = WRITES };
	struct landlock_path_beneath_attr below = { .parent_fd = dir };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	int fd, rc = 1;

	if (abi < 2)
		return 0;
	if (abi >= 3)
		rules.handled_access_fs |= TRUNCATES;
	below.allowed_access = rules.handled_access_fs;
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules),
	    0);
	if (fd == -1)
		return -errno;
	if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH,
	    &below, 0) == -1 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) == -1)
		rc = -errno;
	close(fd);
	return rc;
}

#else

static int
landlock(int dir)
{
	(void)dir;
	return 0;
}

#endif

int
confine_writes(int dir)
{
#ifdef PR_SET_NO_NEW_PRIVS
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -errno;
#endif
	return landlock(dir);
}
