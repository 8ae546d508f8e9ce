/*
 * box_util.c - a spool in a new directory, and looking at it from outside.
 */
#include "config.h"

#include "unit.h"
#include "box_util.h"
#include "fault.h"

#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
spot_make(void **state)
{
	struct spot *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->fd = fault_dir(s->path);
	assert_int_equal(spool_open(&s->sp, AT_FDCWD, s->path, true), 0);
	*state = s;
	return 0;
}

int
spot_remove(void **state)
{
	struct spot *s = *state;

	fault_none();
	spool_close(s->sp);
	fault_dir_remove(s->fd, s->path);
	free(s);
	return 0;
}

void
spot_reopen(struct spot *s)
{
	spool_close(s->sp);
	s->sp = NULL;
	assert_int_equal(spool_open(&s->sp, AT_FDCWD, s->path, false), 0);
}

struct spool_box *
spot_box(struct spot *s, const char *name)
{
	struct spool_box *box = NULL;

	assert_int_equal(spool_box(s->sp, name, true, &box), 0);
	assert_non_null(box);
	return box;
}

bool
spot_has(const struct spot *s, const char *path)
{
	struct stat st;

	return fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

size_t
spot_count(const struct spot *s, const char *path)
{
	int fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *de;
	size_t n = 0;
	DIR *d;

	assert_true(fd >= 0);
	d = fdopendir(fd);
	assert_non_null(d);
	while ((de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0)
			n++;
	closedir(d);
	return n;
}

void
spot_put(const struct spot *s, const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = openat(s->fd, path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

char *
spot_text(const struct spot *s, const char *path, size_t *len)
{
	int fd = openat(s->fd, path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	p = malloc((size_t)st.st_size + 1);
	assert_non_null(p);
	assert_int_equal(pread(fd, p, (size_t)st.st_size, 0), st.st_size);
	p[st.st_size] = '\0';
	close(fd);
	if (len != NULL)
		*len = (size_t)st.st_size;
	return p;
}

char *
spot_str(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	assert_true(vasprintf(&p, fmt, ap) >= 0);
	va_end(ap);
	return p;
}
