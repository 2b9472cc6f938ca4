/* SPDX-License-Identifier: Apache-2.0 */
#include "base/span-keys.h"

#include "base/span-scan.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>

enum { LINEAR_MAX = 16 };

/* Mixing by a 64x64 -> 128 bit product, over the decoded bytes however they are written. */
struct hasher {
	uint64_t state, seed, word;
	unsigned filled; /* bytes in word */
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void hash_word(struct hasher *h, uint64_t word)
{
	h->state = mix(h->state ^ word ^ 0x9e3779b97f4a7c15u, h->seed);
}

static void hash_bytes(struct hasher *h, const char *p, size_t n)
{
	while (n > 0) {
		if (h->filled == 0 && n >= 8) {
			hash_word(h, scan_load(p));
			p += 8;
			n -= 8;
			continue;
		}
		h->word |= (uint64_t)(unsigned char)*p++ << (8 * h->filled);
		n--;
		if (++h->filled == 8) {
			hash_word(h, h->word);
			h->word = h->filled = 0;
		}
	}
}

static uint64_t hash_key(const struct span_keys *k, unsigned depth, struct span inside)
{
	struct scan_text text = {.p = inside.p, .end = inside.p + inside.len};
	struct hasher h = {.state = depth, .seed = k->seed | 1};
	const char *run;
	size_t n;

	while (scan_text_next(&text, &run, &n))
		hash_bytes(&h, run, n);
	hash_word(&h, h.word);
	hash_word(&h, h.filled);
	return h.state;
}

/* Next decoded byte, or -1 at the end. */
struct cursor {
	struct scan_text text;
	const char *run;
	size_t left;
};
static int cursor_next(struct cursor *c)
{
	while (c->left == 0)
		if (!scan_text_next(&c->text, &c->run, &c->left))
			return -1;
	c->left--;
	return (unsigned char)*c->run++;
}

static bool same_key(const struct span_key *a, const struct span_key *b)
{
	struct cursor left = {.text = {.p = a->p, .end = a->p + a->len}};
	struct cursor right = {.text = {.p = b->p, .end = b->p + b->len}};
	int c;

	if (a->hash != b->hash)
		return false;
	if (!a->escaped && !b->escaped)
		return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
	do {
		c = cursor_next(&left);
		if (c != cursor_next(&right))
			return false;
	} while (c >= 0);
	return true;
}

void span_keys_init(struct span_keys *k)
{
	/* The kernel gives each process 16 random bytes; hashes never leave the process. */
	const char *random = (const char *)getauxval(AT_RANDOM); // NOLINT(performance-no-int-to-ptr)

	k->items = k->first;
	k->count = 0;
	k->cap = SPAN_KEYS_FIRST;
	k->table = NULL;
	k->table_cap = k->tabled = 0;
	k->seed = random ? mix(scan_load(random), scan_load(random + 8) | 1) : 0x2545f4914f6cdd1du;
}

void span_keys_done(struct span_keys *k)
{
	if (k->items != k->first)
		free(k->items);
	free(k->table);
}

static int grow_items(struct span_keys *k)
{
	size_t cap = k->cap * 2;
	struct span_key *items;

	if (k->count >= SPAN_KEYS_MAX)
		return -E2BIG;
	if (k->items == k->first) {
		items = malloc(cap * sizeof(*items));
		if (items)
			memcpy(items, k->first, k->count * sizeof(*items));
	} else {
		items = realloc(k->items, cap * sizeof(*items));
	}
	if (!items)
		return -ENOMEM;
	k->items = items;
	k->cap = cap;
	return 0;
}

static size_t slot_of(const struct span_keys *k, uint64_t hash)
{
	return (size_t)(hash >> 20) & (k->table_cap - 1);
}

static void table_put(struct span_keys *k, size_t index)
{
	size_t slot = slot_of(k, k->items[index].hash);

	while (k->table[slot])
		slot = (slot + 1) & (k->table_cap - 1);
	k->table[slot] = (uint32_t)index + 1;
	if (!k->items[index].tabled)
		k->tabled++;
	k->items[index].tabled = true;
}

/* The newest key leaves: nothing came behind it, so its slot can simply become free. */
static void table_take(struct span_keys *k, size_t index)
{
	size_t slot = slot_of(k, k->items[index].hash);

	while (k->table[slot] != index + 1)
		slot = (slot + 1) & (k->table_cap - 1);
	k->table[slot] = 0;
	k->tabled--;
}

static int table_grow(struct span_keys *k, size_t more)
{
	size_t cap = k->table_cap ? k->table_cap : 64;
	uint32_t *table;

	while (cap / 2 < k->tabled + more)
		cap *= 2;
	if (cap == k->table_cap)
		return 0;
	table = calloc(cap, sizeof(*table));
	if (!table)
		return -ENOMEM;
	free(k->table);
	k->table = table;
	k->table_cap = cap;
	for (size_t i = 0; i < k->count; i++)
		if (k->items[i].tabled)
			table_put(k, i);
	return 0;
}

static bool find_linear(const struct span_keys *k, size_t base, const struct span_key *key)
{
	for (size_t i = base; i < k->count; i++)
		if (same_key(&k->items[i], key))
			return true;
	return false;
}

static bool find_tabled(const struct span_keys *k, size_t base, const struct span_key *key)
{
	for (size_t slot = slot_of(k, key->hash); k->table[slot]; slot = (slot + 1) & (k->table_cap - 1)) {
		size_t index = k->table[slot] - 1;

		if (index >= base && same_key(&k->items[index], key))
			return true;
	}
	return false;
}

int span_keys_add(struct span_keys *k, size_t base, unsigned depth, struct span inside, bool escaped)
{
	struct span_key key = {.p = inside.p, .len = inside.len, .escaped = escaped};
	size_t here = k->count - base;
	int r = k->count == k->cap ? grow_items(k) : 0;

	if (r < 0)
		return r;
	key.hash = hash_key(k, depth, inside);
	if (here <= LINEAR_MAX ? find_linear(k, base, &key) : find_tabled(k, base, &key))
		return -EEXIST;
	k->items[k->count++] = key;
	if (here < LINEAR_MAX)
		return 0;
	r = table_grow(k, here == LINEAR_MAX ? here + 1 : 1);
	if (r < 0)
		return r;
	for (size_t i = here == LINEAR_MAX ? base : k->count - 1; i < k->count; i++)
		table_put(k, i);
	return 0;
}

void span_keys_drop(struct span_keys *k, size_t base)
{
	while (k->count > base) {
		if (k->items[k->count - 1].tabled)
			table_take(k, k->count - 1);
		k->count--;
	}
}
