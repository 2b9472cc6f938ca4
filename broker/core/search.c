/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inverted index with BM25F-like ranking: a term that stands in a weighty field counts as if it stood there weight
 * times. Words are runs of letters and digits, cut at camelCase humps too, lower-cased, a plural "s" taken off; bytes
 * above 0x7f belong to words as they are.
 */
#include "broker/core/internal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

enum { TERM_MAX = 48 };
#define BM25_K1 1.2f
#define BM25_B 0.5f

struct posting {
	uint32_t doc;
	float weight;
};
struct term {
	UT_hash_handle hh;
	char text[TERM_MAX];
	struct posting *postings;
	size_t count, cap;
};
struct search_index {
	struct term *terms;
	float *lengths; /* weighted words a document */
	size_t docs, docs_cap;
	double length_total;
};
struct hit {
	uint32_t doc;
	float score;
};

struct search_index *search_index_new(void)
{
	return calloc(1, sizeof(struct search_index));
}

struct search_index *search_index_free(struct search_index *index)
{
	struct term *term, *next;

	if (!index)
		return NULL;
	HASH_ITER (hh, index->terms, term, next) {
		HASH_DEL(index->terms, term);
		free(term->postings);
		free(term);
	}
	free(index->lengths);
	free(index);
	return NULL;
}

static bool is_word(unsigned char c)
{
	return isalnum(c) || c >= 0x80;
}

/* The next word at *at, lower-cased and cut to TERM_MAX - 1 bytes; false at the end. */
static bool next_word(const char *text, size_t len, size_t *at, char word[TERM_MAX])
{
	size_t n = 0, i = *at;

	while (i < len && !is_word((unsigned char)text[i]))
		i++;
	for (; i < len && is_word((unsigned char)text[i]); i++) {
		bool hump = n > 0 && isupper((unsigned char)text[i]) && islower((unsigned char)text[i - 1]);

		if (hump)
			break;
		if (n < TERM_MAX - 1)
			word[n++] = (char)tolower((unsigned char)text[i]);
	}
	*at = i;
	if (n > 3 && word[n - 1] == 's' && word[n - 2] != 's')
		n--;
	word[n] = '\0';
	return n > 0;
}

static struct term *get_term(struct search_index *index, const char *word)
{
	struct term *term;

	HASH_FIND_STR(index->terms, word, term);
	if (term)
		return term;
	term = calloc(1, sizeof(*term));
	if (term) {
		strcpy(term->text, word);
		HASH_ADD_STR(index->terms, text, term);
	}
	return term;
}

static int add_posting(struct search_index *index, const char *word, uint32_t doc, float weight)
{
	struct term *term = get_term(index, word);

	if (!term)
		return -ENOMEM;
	if (term->count > 0 && term->postings[term->count - 1].doc == doc) {
		term->postings[term->count - 1].weight += weight;
		return 0;
	}
	if (term->count == term->cap) {
		size_t cap = term->cap ? term->cap * 2 : 4;
		struct posting *grown = realloc(term->postings, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		term->postings = grown;
		term->cap = cap;
	}
	term->postings[term->count++] = (struct posting){doc, weight};
	return 0;
}

static int ensure_doc(struct search_index *index, uint32_t doc)
{
	if (doc >= index->docs_cap) {
		size_t cap = index->docs_cap ? index->docs_cap * 2 : 64;
		float *grown = realloc(index->lengths, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		memset(grown + index->docs_cap, 0, (cap - index->docs_cap) * sizeof(*grown));
		index->lengths = grown;
		index->docs_cap = cap;
	}
	if (doc >= index->docs)
		index->docs = doc + 1;
	return 0;
}

int search_index_add(struct search_index *index, uint32_t doc, const char *text, size_t len, float weight)
{
	char word[TERM_MAX] = "";
	size_t at = 0;
	int r = ensure_doc(index, doc);

	while (r == 0 && next_word(text, len, &at, word)) {
		r = add_posting(index, word, doc, weight);
		index->lengths[doc] += weight;
		index->length_total += (double)weight;
	}
	return r;
}

static void score_term(const struct search_index *index, const struct term *term, float *scores)
{
	float docs = (float)index->docs, found = (float)term->count;
	float rarity = logf(1.0f + (docs - found + 0.5f) / (found + 0.5f));
	float mean = (float)(index->length_total / (double)index->docs);

	for (size_t i = 0; i < term->count; i++) {
		const struct posting *p = &term->postings[i];
		float norm = 1.0f - BM25_B + BM25_B * index->lengths[p->doc] / mean;

		scores[p->doc] += rarity * p->weight * (BM25_K1 + 1.0f) / (p->weight + BM25_K1 * norm);
	}
}

static int by_score(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->doc < y->doc ? -1 : 1;
}

static size_t collect(const float *scores, size_t docs, struct hit *hits)
{
	size_t count = 0;

	for (size_t doc = 0; doc < docs; doc++)
		if (scores[doc] > 0.0f)
			hits[count++] = (struct hit){(uint32_t)doc, scores[doc]};
	qsort(hits, count, sizeof(*hits), by_score);
	return count;
}

int search_index_query(struct search_index *index, const char *query, uint32_t **ret, size_t *ret_count)
{
	_cleanup_free_ float *scores = calloc(index->docs + 1, sizeof(*scores));
	_cleanup_free_ struct hit *hits = calloc(index->docs + 1, sizeof(*hits));
	uint32_t *docs = calloc(index->docs + 1, sizeof(*docs));
	char word[TERM_MAX] = "";
	size_t at = 0, count;

	if (!scores || !hits || !docs) {
		free(docs);
		return -ENOMEM;
	}
	while (next_word(query, strlen(query), &at, word)) {
		struct term *term;

		HASH_FIND_STR(index->terms, word, term);
		if (term)
			score_term(index, term, scores);
	}
	count = collect(scores, index->docs, hits);
	for (size_t i = 0; i < count; i++)
		docs[i] = hits[i].doc;
	*ret = docs;
	*ret_count = count;
	return 0;
}
