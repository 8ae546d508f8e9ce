/*
 * replay.c - main() for a fuzz target without libFuzzer: run it over each file
 * of its corpus (fuzz_X over corpus/X), or over the files named.
 */
#include "config.h"

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>	/* and GNU's basename() */

static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t len = 0, cap = 0, n;
	uint8_t *p = NULL;

	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	do {
		if (len == cap) {
			cap = cap != 0 ? cap * 2 : 4096;
			p = realloc(p, cap);
			MUST(p != NULL);
		}
		n = fread(p + len, 1, cap - len, f);
		len += n;
	} while (n != 0);
	fclose(f);
	/* Exactly as large as it is, so that a sanitizer sees its end. */
	p = realloc(p, len != 0 ? len : 1);
	MUST(p != NULL);
	LLVMFuzzerTestOneInput(p, len);
	free(p);
	return 0;
}

static int
replay_dir(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	char path[8192];
	int n = 0;

	if (d == NULL) {
		fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		return -1;
	}
	while (n >= 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >=
		    (int)sizeof(path) || replay(path) < 0)
			n = -1;
		else
			n++;
	}
	closedir(d);
	return n;
}

int
main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	const char *name = strstr(basename(argv[0]), "fuzz_");
	char dir[4096];
	int n;

	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			if (replay(argv[i]) < 0)
				return 1;
		return 0;
	}
	MUST(name != NULL);
	name += strlen("fuzz_");
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s",
	    srcdir != NULL ? srcdir : ".", name);
	n = replay_dir(dir);
	printf("%s: %d inputs\n", name, n);
	return n > 0 ? 0 : 1;
}
