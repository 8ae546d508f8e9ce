/*
 * fuzz.h - what the fuzz targets share. A target is one function over bytes;
 * libFuzzer calls it (make fuzz), or replay.c with the corpus (make check).
 */
#ifndef AC_TESTS_FUZZ_H
#define AC_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Not assert(): it holds with NDEBUG as well. */
#define MUST(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		abort();						\
	}								\
} while (0)

#endif
