/*
 * usage.c - how much of the disk an instance takes.
 */
#include "config.h"

#include "spool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DEPTH 4		/* instance, box, new/: more is none of ours */

static int add_up(int dir, int depth, uint64_t *bytes);

static int
add_one(int dir, const char *name, int depth, uint64_t *bytes)
{
	struct stat st;
	int sub, rc;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -errno;
	*bytes += (uint64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode) || depth == 0)
		return 0;
	sub = fs_open_dir(dir, name);
	if (sub < 0)
		return 0;	/* gone meanwhile, or another's */
	rc = add_up(sub, depth - 1, bytes);
	close(sub);
	return rc;
}

static int
add_up(int dir, int depth, uint64_t *bytes)
{
	struct dirent *de;
	DIR *d;
	int rc = spool_opendir(dir, &d);

	if (rc < 0)
		return rc;
	while (rc == 0 && (errno = 0, de = readdir(d)) != NULL)
		if (fs_name_ok(de->d_name))
			rc = add_one(dir, de->d_name, depth, bytes);
	if (rc == 0)
		rc = -errno;
	closedir(d);
	return rc;
}

int
spool_usage(const struct spool *sp, uint64_t *bytes)
{
	*bytes = 0;
	return add_up(spool_dir(sp), DEPTH, bytes);
}
