/*
 * in.c - read a descriptor, or a file that an option names.
 */
#include "config.h"

#include "cli/in.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "spool/spool.h"

#define STEP	65536

int
in_read(int fd, size_t max, struct buf *out)
{
	size_t start = out->len;

	while (out->len - start <= max) {
		char *p = buf_reserve(out, STEP);
		ssize_t n = p != NULL ? read(fd, p, STEP) : 0;

		if (p == NULL)
			return -ENOMEM;
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -errno;
		out->len += (size_t)n;
		out->p[out->len] = '\0';
		if (n == 0)
			return 0;
	}
	return -EFBIG;
}

int
in_file(const struct cmd_line *cl, const char *path, const char *standard,
    size_t max, struct buf *out)
{
	int fd, rc;

	if (path == NULL) {
		rc = spool_root(cl->dir, false, &fd);
		if (rc == 0) {
			rc = spool_slurp(fd, standard, max, out);
			close(fd);
		}
		return rc;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -errno;
	rc = in_read(fd, max, out);
	close(fd);
	return rc;
}

int
in_agent(const struct cmd_line *cl, struct in_agent *a)
{
	struct ident *ident;
	int rc = ident_load_pass(&ident, AT_FDCWD, cl->identity,
	    IDENT_PUBLIC | IDENT_REVOKED, NULL, 0);

	if (rc < 0)
		return cmd_fail(cl->cmd, cmd_code(rc), "%s: %s", cl->identity,
		    ac_strerror(rc));
	ident_key_id(ident_pub(ident), 8, a->id);
	ident_key_id(ident_pub(ident), 16, a->long_id);
	ident_free(ident);
	return EXIT_OK;
}
