/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/core/internal.h"

#include <string.h>

static const char *const documents[] = {
	"github list_issues List issues of a repository",
	"github create_issue Create an issue",
	"github list_pull_requests List pull requests of a repository",
	"slack post_message Post a message to a channel",
	"filesystem readTextFile Read a file as text",
};

static struct search_index *make_index(void)
{
	struct search_index *index = search_index_new();

	for (uint32_t i = 0; i < ARRAY_SIZE(documents); i++)
		assert_int_equal(search_index_add(index, i, documents[i], strlen(documents[i]), 1.0f), 0);
	return index;
}

static void assert_best(const char *query, int64_t best, size_t count)
{
	struct search_index *index = make_index();
	uint32_t *docs;
	size_t found;

	assert_int_equal(search_index_query(index, query, &docs, &found), 0);
	assert_int_equal(found, count);
	if (best >= 0)
		assert_int_equal(docs[0], best);
	free(docs);
	search_index_free(index);
}

static void test_ranked_by_words_not_substrings(void **state)
{
	(void)state;
	assert_best("github pull request", 2, 3);
	assert_best("issue create", 1, 2);
	assert_best("MESSAGES", 3, 1); /* case and plural */
	assert_best("text file", 4, 1); /* humps of readTextFile */
	assert_best("nothing-like-it", -1, 0);
	assert_best("", -1, 0);
}

static void test_weight_wins(void **state)
{
	struct search_index *index = search_index_new();
	uint32_t *docs;
	size_t found;

	(void)state;
	assert_int_equal(search_index_add(index, 0, "about echo echo", 15, 1.0f), 0);
	assert_int_equal(search_index_add(index, 1, "echo", 4, 3.0f), 0);
	assert_int_equal(search_index_query(index, "echo", &docs, &found), 0);
	assert_int_equal(found, 2);
	assert_int_equal(docs[0], 1);
	free(docs);
	search_index_free(index);
}

static void assert_identifier(const char *name, const char *expected)
{
	char out[64];

	catalogue_identifier(name, out, sizeof(out));
	assert_string_equal(out, expected);
}

static void test_identifiers(void **state)
{
	(void)state;
	assert_identifier("get-sum", "get_sum");
	assert_identifier("2fast", "_2fast");
	assert_identifier("it's a {weird}\\ name", "it_s_a__weird___name");
}

static void assert_signature(const char *schema, const char *expected)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1024);

	assert_int_equal(signature_of("gh", "list", span_of(schema, strlen(schema)), &out), 0);
	assert_int_equal(out.len, strlen(expected));
	assert_memory_equal(buf_head(&out), expected, out.len);
}

static void test_signatures(void **state)
{
	(void)state;
	assert_signature("{}", "gh.list()");
	assert_signature("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"enum\":[\"x\",1]},"
			 "\"c\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"d\":{}},\"required\":[\"a\"]}",
			 "gh.list({a: string, b?: \"x\"|1, c?: integer[], d?: any})");
}

static void assert_excerpt(struct excerpt *e, const char *head, const char *tail, uint64_t left_out)
{
	assert_int_equal(e->head.len, strlen(head));
	assert_int_equal(e->tail.len, strlen(tail));
	if (e->head.len)
		assert_memory_equal(buf_head(&e->head), head, e->head.len);
	if (e->tail.len)
		assert_memory_equal(buf_head(&e->tail), tail, e->tail.len);
	assert_int_equal(excerpt_left_out(e), left_out);
	excerpt_done(e);
}

static void test_excerpt_cuts_the_middle(void **state)
{
	struct excerpt e;

	(void)state;
	excerpt_init(&e, 4, 3);
	for (const char *p = "abcdefghijklmnop"; *p; p++)
		excerpt_feed(&e, p, 1);
	excerpt_trim(&e, false);
	assert_excerpt(&e, "abcd", "nop", 9);

	excerpt_init(&e, 4, 3);
	excerpt_feed(&e, "abcdefg", 7);
	excerpt_trim(&e, false);
	assert_excerpt(&e, "abcd", "efg", 0);

	excerpt_init(&e, 100, 0);
	e.skip = 3;
	excerpt_feed(&e, "ab", 2);
	excerpt_feed(&e, "cdef", 4);
	assert_excerpt(&e, "def", "", 3);
}

static void test_excerpt_keeps_characters_and_lines_whole(void **state)
{
	struct excerpt e;

	(void)state;
	excerpt_init(&e, 4, 4);
	excerpt_feed(&e,
		     "abc\xc3\xa9xxxxxxxx\xc3\xa9"
		     "abc",
		     18);
	excerpt_trim(&e, false);
	assert_excerpt(&e, "abc", "abc", 12);

	excerpt_init(&e, 8, 8);
	excerpt_feed(&e, "one\ntwo\nthree\nfour\nfive\n", 24);
	excerpt_trim(&e, true);
	assert_excerpt(&e, "one\ntwo\n", "five\n", 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranked_by_words_not_substrings),
		cmocka_unit_test(test_weight_wins),
		cmocka_unit_test(test_identifiers),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_excerpt_cuts_the_middle),
		cmocka_unit_test(test_excerpt_keeps_characters_and_lines_whole),
	};

	return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
