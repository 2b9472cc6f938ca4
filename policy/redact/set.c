/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact/set.h"

#include "policy/redact/spellings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool counts(const struct redact_secret *secret)
{
	return secret->len >= REDACT_SECRET_MIN;
}

/* A name goes into texts that others parse: nothing but plain characters. */
static void make_token(struct redact_word *word, const char *name)
{
	char plain[REDACT_NAME_MAX + 1];
	size_t n = 0;

	for (; n < REDACT_NAME_MAX && name[n]; n++) {
		char c = name[n];
		bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
			    c == '-' || c == '.';

		plain[n] = kept ? c : '_';
	}
	plain[n] = '\0';
	word->token_len = (size_t)snprintf(word->token, sizeof(word->token), "[redacted:%s]", plain);
}

static int make_classes(struct redact *r, const struct redact_secret *secrets, size_t count)
{
	unsigned classes = 1;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; counts(&secrets[i]) && k < secrets[i].len; k++) {
			uint8_t c = (uint8_t)secrets[i].value[k];

			if (r->class_of[c] == 0)
				r->class_of[c] = (uint8_t)(classes++);
			if (classes > 255)
				return -E2BIG;
		}
	while ((1u << r->shift) < classes)
		r->shift++;
	return 0;
}

/* Secrets into a trie; returns the number of rows in use. */
static uint32_t make_trie(struct redact *r, const struct redact_secret *secrets, size_t count)
{
	uint32_t rows = 1;

	for (size_t i = 0; i < count; i++) {
		uint32_t at = 0, depth = 0;

		if (!counts(&secrets[i]))
			continue;
		for (size_t k = 0; k < secrets[i].len; k++) {
			uint32_t *next = &r->next[(at << r->shift) + r->class_of[(uint8_t)secrets[i].value[k]]];

			if (*next == 0) {
				*next = rows;
				r->depth[rows++] = ++depth;
			} else {
				depth++;
			}
			at = *next;
		}
		if (r->word[at])
			continue; /* the same value under two names: the first counts */
		r->words[r->count].len = secrets[i].len;
		make_token(&r->words[r->count], secrets[i].name);
		r->word[at] = (uint32_t)++r->count;
	}
	return rows;
}

/* Breadth first: each row takes over what its failure row (the longest proper suffix) does. */
static int complete(struct redact *r, uint32_t rows)
{
	_cleanup_free_ uint32_t *queue = calloc(rows, sizeof(*queue)), *fail = calloc(rows, sizeof(*fail));
	uint32_t head = 0, tail = 0, width = 1u << r->shift;

	if (!queue || !fail)
		return -ENOMEM;
	queue[tail++] = 0;
	while (head < tail) {
		uint32_t row = queue[head++], *entries = &r->next[row << r->shift];
		const uint32_t *inherited = &r->next[fail[row] << r->shift];
		bool leaf = true;

		if (!r->word[row])
			r->word[row] = r->word[fail[row]];
		for (uint32_t c = 1; c < width; c++) {
			if (!entries[c]) {
				entries[c] = row ? inherited[c] : 0;
				continue;
			}
			if (row)
				fail[entries[c]] = inherited[c];
			queue[tail++] = entries[c];
			leaf = false;
		}
		/* Nothing longer begins where this secret began. */
		if (leaf)
			r->depth[row] = r->depth[fail[row]];
	}
	for (uint32_t i = 0; i < rows << r->shift; i++)
		r->next[i] = r->next[i] << r->shift | (r->word[r->next[i]] ? REDACT_HIT : 0);
	return 0;
}

static void make_shortcuts(struct redact *r)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

	for (unsigned c = 0; c < 256; c++) {
		const char *known = c ? strchr(from, (int)c) : NULL;
		unsigned char decoded = known ? (unsigned char)to[known - from] : (unsigned char)c;

		r->wakes[c] = c == '\\' || r->next[r->class_of[c]] != 0;
		r->calm[c] = c != 'u' && r->next[r->class_of['\\']] == 0 && r->next[r->class_of[c]] == 0 &&
			     r->next[r->class_of[decoded]] == 0;
	}
}

static int make_automaton(struct redact *r, const struct redact_secret *secrets, size_t count, size_t total)
{
	uint32_t rows = (uint32_t)total + 1;
	int code = make_classes(r, secrets, count);

	if (code < 0)
		return code;
	r->next = calloc((size_t)rows << r->shift, sizeof(*r->next));
	r->depth = calloc(rows, sizeof(*r->depth));
	r->word = calloc(rows, sizeof(*r->word));
	r->words = calloc(count, sizeof(*r->words));
	if (!r->next || !r->depth || !r->word || !r->words)
		return -ENOMEM;
	code = complete(r, make_trie(r, secrets, count));
	if (code < 0)
		return code;
	make_shortcuts(r);
	return 0;
}

/* Bytes of all that count, or -E2BIG. */
static int measure(struct redact *r, const struct redact_spelled *all, size_t *ret_total, struct error *err)
{
	size_t total = 0;

	for (size_t i = 0; i < all->count; i++) {
		size_t len = all->items[i].len;

		if (!counts(&all->items[i]))
			continue;
		if (len > REDACT_TOTAL_MAX || total > REDACT_TOTAL_MAX - len)
			return error_set(err, -E2BIG, "secrets are over %d KiB together", REDACT_TOTAL_MAX >> 10);
		total += len;
		if (len > r->longest)
			r->longest = len;
	}
	*ret_total = total;
	return 0;
}

static int build(struct redact *r, const struct redact_spelled *all, struct error *err)
{
	size_t total = 0;
	int code = measure(r, all, &total, err);

	if (code < 0 || total == 0)
		return code;
	code = make_automaton(r, all->items, all->count, total);
	return code < 0 ? error_set(err, code,
				    code == -E2BIG ? "secrets use more than 254 different bytes"
						   : "no memory for redaction")
			: 0;
}

int redact_new(const struct redact_secret *secrets, size_t count, struct redact **ret, struct error *err)
{
	_cleanup_(redact_spelled_done) struct redact_spelled all = {0};
	struct redact *r = calloc(1, sizeof(*r));
	int code;

	for (size_t i = 0; i < count; i++) /* before anything is made of it */
		if (secrets[i].len > REDACT_TOTAL_MAX) {
			free(r);
			return error_set(err, -E2BIG, "secrets are over %d KiB together", REDACT_TOTAL_MAX >> 10);
		}
	if (!r || redact_spell(secrets, count, &all) < 0) {
		free(r);
		return error_set(err, -ENOMEM, "no memory for redaction");
	}
	atomic_init(&r->refs, 1);
	code = build(r, &all, err);
	if (code < 0) {
		redact_unref(r);
		return code;
	}
	*ret = r;
	return 0;
}

struct redact *redact_ref(struct redact *r)
{
	if (r)
		atomic_fetch_add(&r->refs, 1);
	return r;
}

struct redact *redact_unref(struct redact *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return NULL;
	free(r->words);
	free(r->next);
	free(r->depth);
	free(r->word);
	free(r);
	return NULL;
}

bool redact_is_empty(const struct redact *r)
{
	return !r || r->count == 0;
}
