/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_FUZZ_H
#define HAWSER_TESTS_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* One input. Returns 0; what is wrong aborts. Must not keep state between calls. */
__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert(), whatever the build says. */
#define FUZZ_CHECK(condition)                                      \
	do {                                                       \
		if (!(condition))                                  \
			fuzz_fail(__FILE__, __LINE__, #condition); \
	} while (0)

#include <stdio.h>
#include <stdlib.h>

static inline _Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

#endif
