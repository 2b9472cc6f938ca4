/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzer: each file of a corpus folder as it is, then with seeded mutations of it. TAP,
 * one test a file. The seed is printed; HAWSER_FUZZ_SEED=N repeats it, HAWSER_FUZZ_ROUNDS=N changes the number of
 * mutations.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { FILE_MOST = 1 << 20, FILES_MOST = 4096, ROUNDS = 300, EDITS_MOST = 8, GROW = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* The target gets an allocation of exactly size bytes, so that a sanitizer sees a read behind it. */
static void offer(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static size_t edit(uint8_t *data, size_t size, uint64_t *state)
{
	size_t at = size ? next_random(state) % size : 0, count;

	switch (next_random(state) % 5) {
	case 0:
		if (size)
			data[at] ^= (uint8_t)(1u << (next_random(state) % 8));
		return size;
	case 1:
		if (size)
			data[at] = (uint8_t)next_random(state);
		return size;
	case 2:
		return at;
	case 3:
		count = next_random(state) % (GROW / EDITS_MOST) + 1;
		memmove(data + at + count, data + at, size - at);
		return size + count;
	default:
		count = size - at > 4 ? next_random(state) % 4 + 1 : 0;
		memmove(data + at, data + at + count, size - at - count);
		return size - count;
	}
}

static void mutate(const uint8_t *data, size_t size, long rounds, uint64_t *state)
{
	uint8_t *copy = calloc(1, size + GROW);

	if (!copy)
		abort();
	for (long i = 0; i < rounds; i++) {
		size_t now = size, edits = next_random(state) % EDITS_MOST + 1;

		memcpy(copy, data, size);
		while (edits-- > 0)
			now = edit(copy, now, state);
		offer(copy, now);
	}
	free(copy);
}

static int replay(const char *folder, const char *name, long rounds, uint64_t seed)
{
	static uint8_t data[FILE_MOST];
	char path[4096];
	size_t size;
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (!file)
		return -1;
	size = fread(data, 1, sizeof data, file);
	fclose(file);
	offer(data, size);
	mutate(data, size, rounds, &seed);
	return 0;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	const char *seed_text = getenv("HAWSER_FUZZ_SEED"), *rounds_text = getenv("HAWSER_FUZZ_ROUNDS");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)time(NULL);
	long rounds = rounds_text ? strtol(rounds_text, NULL, 10) : ROUNDS;
	struct dirent **entries = NULL;
	int count = argc == 2 ? scandir(argv[1], &entries, visible, alphasort) : -1;

	if (count <= 0 || count > FILES_MOST) {
		printf("1..1\nnot ok 1 - a corpus of 1 to %d files in %s\n", FILES_MOST,
		       argc == 2 ? argv[1] : "(no folder)");
		return 1;
	}
	printf("1..%d\n# HAWSER_FUZZ_SEED=%llu\n", count, (unsigned long long)seed);
	for (int i = 0; i < count; i++) {
		int r;

		/* said before it runs: the last such line names the file that crashed the target */
		printf("# %s\n", entries[i]->d_name);
		fflush(stdout);
		r = replay(argv[1], entries[i]->d_name, rounds, seed | 1);
		printf("%s %d - %s\n", r < 0 ? "not ok" : "ok", i + 1, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
