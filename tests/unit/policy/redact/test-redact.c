/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/utf8.h"
#include "policy/redact/spellings.h"
#include "tests/unit/policy/redact/naive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct redact *make(size_t count, const char *const pairs[][2])
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct redact_secret secrets[16];
	struct redact *r = NULL;

	for (size_t i = 0; i < count; i++)
		secrets[i] = (struct redact_secret){pairs[i][0], pairs[i][1], strlen(pairs[i][1])};
	assert_int_equal(redact_new(secrets, count, &r, &err), 0);
	return r;
}

static void expect(const struct redact *r, const char *text, const char *wanted)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4096);
	_cleanup_free_ char *got = NULL;

	assert_int_equal(buf_append_str(&b, text), 0);
	redact_buf(r, &b);
	got = buf_steal(&b, NULL);
	assert_string_equal(got, wanted);
}

static void test_whole_texts(void **state)
{
	static const char *const secrets[][2] = {
		{"TOKEN", "ghp_0123456789"},
		{"SHORT", "abc"},
		{"QUOTED", "pa\"ss/w\\ord"},
		{"UMLAUT", "gr\xc3\xbc\xc3\x9f"
			   "e \xf0\x9f\x98\x80"},
		{"odd name]\"", "xyzzyx"},
	};
	struct redact *r = make(ARRAY_SIZE(secrets), secrets);

	expect(r, "nothing here, abc", "nothing here, abc");
	expect(r, "ghp_0123456789", "[redacted:TOKEN]");
	expect(r, "aghp_0123456789b ghp_012345678", "a[redacted:TOKEN]b ghp_012345678");
	expect(r, "{\"a\":\"g\\u0068p\\u005F0123456789\"}", "{\"a\":\"[redacted:TOKEN]\"}");
	expect(r, "raw pa\"ss/w\\ord", "raw [redacted:QUOTED]");
	expect(r, "\"pa\\\"ss/w\\\\ord\"", "\"[redacted:QUOTED]\"");
	expect(r, "\"pa\\\"ss\\/w\\\\ord\\n\"", "\"[redacted:QUOTED]\\n\"");
	expect(r, "\"gr\\u00fc\\u00dfe \\ud83d\\uDE00!\"", "\"[redacted:UMLAUT]!\"");
	expect(r,
	       "gr\xc3\xbc\xc3\x9f"
	       "e \xf0\x9f\x98\x80",
	       "[redacted:UMLAUT]");
	expect(r, "xyzzyxyzzyx xyzzyxxyzzyx", "[redacted:odd_name__] [redacted:odd_name__][redacted:odd_name__]");
	redact_unref(r);
}

/* JSON inside a JSON string, as those write it who make it. */
static void test_escaped_twice(void **state)
{
	static const char *const secrets[][2] = {{"QUOTED", "pa\"ss\\wo/rd\n1"},
						 {"UMLAUT", "gr\xc3\xbc\xc3\x9f"
							    "e-\xf0\x9f\x98\x80"},
						 {"QUERY", "a=1&b=<2>+'3'"}};
	struct redact *r = make(ARRAY_SIZE(secrets), secrets);

	/* what JSON.stringify() makes of it, once, twice and three times */
	expect(r, "\"pa\\\"ss\\\\wo/rd\\n1\"", "\"[redacted:QUOTED]\"");
	expect(r, "\"{\\\"k\\\":\\\"pa\\\\\\\"ss\\\\\\\\wo/rd\\\\n1\\\"}\"",
	       "\"{\\\"k\\\":\\\"[redacted:QUOTED]\\\"}\"");
	expect(r, "\"pa\\\\\\\\\\\\\"ss\\\\\\\\\\\\\\\\wo/rd\\\\\\\\n1\"", "\"[redacted:QUOTED]\"");
	/* PHP inside, .NET inside */
	expect(r, "\"pa\\\\\\\"ss\\\\\\\\wo\\\\/rd\\\\n1\"", "\"[redacted:QUOTED]\"");
	expect(r, "\"pa\\\\u0022ss\\\\\\\\wo/rd\\\\n1\"", "\"[redacted:QUOTED]\"");
	/* Python inside, and twice */
	expect(r, "\"gr\\\\u00fc\\\\u00dfe-\\\\ud83d\\\\ude00\"", "\"[redacted:UMLAUT]\"");
	expect(r, "\"gr\\\\\\\\u00fc\\\\\\\\u00dfe-\\\\\\\\ud83d\\\\\\\\ude00\"", "\"[redacted:UMLAUT]\"");
	/* Go inside, .NET inside */
	expect(r, "\"a=1\\\\u0026b=\\\\u003c2\\\\u003e+'3'\"", "\"[redacted:QUERY]\"");
	expect(r, "\"a=1\\\\u0026b=\\\\u003C2\\\\u003E\\\\u002B\\\\u00273\\\\u0027\"", "\"[redacted:QUERY]\"");
	redact_unref(r);
}

/* A writer of JSON strings, made apart from those that are tested. */
struct writer {
	const char *also;
	const char *slash;
	bool ascii, upper;
};
static const struct writer writers[] = {
	{"", "/", false, false}, /* JSON.stringify */
	{"", "/", true, false}, /* Python */
	{"", "\\/", true, false}, /* PHP */
	{"", "\\/", false, false}, /* PHP with JSON_UNESCAPED_UNICODE */
	{"<>&", "/", false, false}, /* Go */
	{"\"<>&'+`", "/", true, true}, /* .NET */
	{"\"<>&'+`", "/", true, false}, {"<>&='", "/", false, false}, /* Gson */
	{"", "/", true, true}, /* Jackson */
	{"", "\\u002F", false, false},  {"=", "/", false, false},
};

static void write_string(struct buf *out, const char *text, size_t len, const struct writer *w)
{
	size_t width;
	int r = 0;

	for (; len > 0 && r == 0; text += width, len -= width) {
		uint32_t c = utf8_get(text, width = utf8_width(text, len));

		if (c == '/')
			r = buf_append_str(out, w->slash);
		else if (c < 0x80 ? strchr(w->also, (int)c) != NULL : w->ascii)
			r = buf_printf(out, w->upper ? "\\u%04X" : "\\u%04x", (unsigned)c);
		else if (c == '"' || c == '\\')
			r = buf_printf(out, "\\%c", (int)c);
		else
			r = buf_append(out, text, width);
	}
	assert_int_equal(r, 0);
}

/* Whoever writes the string, and whoever writes the one around it: plainly, Python, PHP, Go, .NET, or the same. Once
 * more around that, as a result comes in a message. */
static void test_writers(void **state)
{
	static const char *const secrets[][2] = {{"T", "tok-XUtnFEMI/+=&\"\xc3\xa9\\<x>'/y"}};
	static const size_t outer[] = {0, 1, 2, 4, 5};
	const size_t n = ARRAY_SIZE(writers);
	struct redact *r = make(1, secrets);

	for (size_t i = 0; i < n * (n + 1) * 2; i++) {
		size_t inner = i % n, around = i / n % (n + 1);
		_cleanup_buf_ struct buf one = BUF_INIT(4096), two = BUF_INIT(4096), three = BUF_INIT(4096);
		_cleanup_free_ char *text = NULL;
		bool known = around == inner || around == n;

		for (size_t k = 0; k < ARRAY_SIZE(outer); k++)
			known = known || outer[k] == around;
		if (!known)
			continue;
		write_string(&one, secrets[0][1], strlen(secrets[0][1]), &writers[inner]);
		if (around == n)
			assert_int_equal(buf_append(&two, buf_head(&one), one.len), 0);
		else
			write_string(&two, (const char *)buf_head(&one), one.len, &writers[around]);
		if (i / n / (n + 1))
			write_string(&three, (const char *)buf_head(&two), two.len, &writers[i % 2]);
		else
			assert_int_equal(buf_append(&three, buf_head(&two), two.len), 0);
		redact_buf(r, &three);
		text = buf_steal(&three, NULL);
		if (strcmp(text, "[redacted:T]") != 0)
			fail_msg("writer %zu in %zu: %s", inner, around, text);
	}
	redact_unref(r);
}

/* A secret has only the spellings that differ, and many long ones do not grow without a bound. */
static void test_spellings(void **state)
{
	_cleanup_free_ char *key = malloc(4001);
	struct redact_secret plain = {"T", "ghp_0123456789", 14}, secrets[40];
	struct redact_spelled all;

	assert_int_equal(redact_spell(&plain, 1, &all), 0);
	assert_int_equal(all.count, 1);
	redact_spelled_done(&all);
	memset(key, '/', 4000);
	memset(key, '\n', 40);
	key[4000] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		secrets[i] = (struct redact_secret){"K", key, 4000 - i};
	assert_int_equal(redact_spell(secrets, ARRAY_SIZE(secrets), &all), 0);
	assert_true(all.count >= 2 * ARRAY_SIZE(secrets) && all.extra <= REDACT_SPELLINGS_MAX);
	redact_spelled_done(&all);
}

static void test_overlaps(void **state)
{
	static const char *const secrets[][2] = {
		{"A", "abcdef"}, {"B", "cdefgh"}, {"LONG", "abcdefghij"}, {"INNER", "efghij"}, {"AA", "zzzzzz"},
	};
	struct redact *r = make(ARRAY_SIZE(secrets), secrets);

	expect(r, "-abcdef-", "-[redacted:A]-");
	expect(r, "-abcdefgh-", "-[redacted:A]-");
	expect(r, "-abcdefghij-", "-[redacted:LONG]-");
	expect(r, "-cdefghij-", "-[redacted:B]-");
	expect(r, "zzzzzzzzzzzzzzzzzzzz!", "[redacted:AA]!");
	redact_unref(r);
}

static void test_json_stays_json(void **state)
{
	static const char *const secrets[][2] = {{"N", "nabcdef"}, {"H", "e9abcdef"}, {"BACK", "secret\\"}};
	struct redact *r = make(ARRAY_SIZE(secrets), secrets);

	expect(r, "\"x\\nabcdef\"", "\"x[redacted:N]\"");
	expect(r, "\"\\u00e9abcdef\"", "\"[redacted:H]\"");
	expect(r, "\"secret\\\\\"", "\"[redacted:BACK]\"");
	expect(r, "\"secret\\\"x\"", "\"[redacted:BACK]x\"");
	expect(r, "\"secret\\u0041x\"", "\"[redacted:BACK]x\"");
	redact_unref(r);
}

static void test_limits(void **state)
{
	static const char *const secrets[][2] = {{"A_RATHER_LONG_NAME", "abcdef"}};
	struct redact *r = make(1, secrets), *none = make(0, NULL);
	struct redact_secret huge = {.name = "HUGE", .value = "", .len = 1 << 20};
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf b = BUF_INIT(16);
	char line[] = "x abcdef y";

	/* Grows over the maximum: cut, and no secret in it. */
	assert_int_equal(buf_append_str(&b, "12 abcdef 345678"), 0);
	assert_int_equal(redact_buf(r, &b), 2);
	assert_memory_equal(buf_head(&b), "12 [redacted:A_R", 16);
	assert_int_equal(redact_line(r, line, strlen(line)), strlen(line));
	assert_string_equal(line, "x ****** y");
	assert_true(redact_is_empty(none) && redact_is_empty(NULL) && !redact_is_empty(r));
	assert_int_equal(redact_buf(none, &b), 0);
	assert_int_equal(redact_new(&huge, 1, &r, &err), -E2BIG);
	redact_unref(r);
	redact_unref(none);
}

/* What is held back is bounded and comes at the end. */
static void test_stream_holds_little(void **state)
{
	static const char *const secrets[][2] = {{"A", "abcdef"}};
	struct redact *r = make(1, secrets);
	struct redact_stream *s = redact_stream_new(r);
	_cleanup_buf_ struct buf out = BUF_INIT(256);

	assert_int_equal(redact_stream_feed(s, "12abc", 5, &out), 0);
	assert_int_equal(out.len, 2);
	assert_int_equal(redact_stream_feed(s, "de", 2, &out), 0);
	assert_int_equal(out.len, 2);
	assert_int_equal(redact_stream_feed(s, "f", 1, &out), 0);
	assert_memory_equal(buf_head(&out), "12[redacted:A]", 14);
	assert_int_equal(redact_stream_feed(s, "abc", 3, &out), 0);
	assert_int_equal(out.len, 14);
	assert_int_equal(redact_stream_end(s, &out), 0);
	assert_memory_equal(buf_head(&out), "12[redacted:A]abc", 17);
	redact_stream_free(s);
	redact_unref(r);
}

/* ---- against the naive reading, in random chunks ---- */
static unsigned rng = 1;
static unsigned draw(unsigned n)
{
	rng = rng * 1103515245u + 12345u;
	return (rng >> 16) % n;
}

static size_t draw_text(char *text, size_t max, unsigned least)
{
	static const char *const pieces[] = {
		"a",       "a",
		"a",       "b",
		"u",       "0",
		"6",       "1",
		"n",       "\\",
		"\\",      "\"",
		"\\\"",    "\\\\",
		"\\n",     "\\u0061",
		"\\u0062", "\\u006",
		"\n",      "\\/",
		"/",       "\\ud83d\\ude00",
		"\\ud83d", "\xf0\x9f\x98\x80",
		"\\u005c",
	};
	size_t n = 0, wanted = least + draw((unsigned)max - least - 16);

	while (n < wanted) {
		const char *piece = pieces[draw(ARRAY_SIZE(pieces))];

		memcpy(text + n, piece, strlen(piece));
		n += strlen(piece);
	}
	return n;
}

static size_t spell(char *out, const char *p, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)p[i] >= 0x80)
			out[n++] = p[i];
		else if (p[i] == '\n')
			n += (size_t)sprintf(out + n, draw(2) ? "\\n" : "\\u000a");
		else if (p[i] == '"' || p[i] == '\\')
			n += (size_t)sprintf(out + n, draw(2) ? "\\%c" : "\\u%04x", p[i]);
		else
			n += (size_t)sprintf(out + n, draw(4) ? "%c" : "\\u%04X", p[i]);
	}
	return n;
}

static void one_round(unsigned seed)
{
	struct redact_secret secrets[3];
	char values[3][64], text[2400];
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf wanted = BUF_INIT(1 << 16), got = BUF_INIT(1 << 16), whole = BUF_INIT(1 << 16);
	size_t count = 1 + draw(3), len = 0, which;
	struct redact_spelled spelled;
	struct redact_stream *s;
	struct redact *r;

	for (size_t i = 0; i < count; i++)
		secrets[i] = (struct redact_secret){"S", values[i], draw_text(values[i], 32, REDACT_SECRET_MIN)};
	for (unsigned i = 0, n = 1 + draw(4); i < n; i++) {
		len += draw_text(text + len, 60, 1);
		which = draw((unsigned)count);
		len += spell(text + len, secrets[which].value, secrets[which].len);
	}
	assert_int_equal(redact_spell(secrets, count, &spelled), 0);
	naive_redact(spelled.items, spelled.count, text, len, &wanted);
	redact_spelled_done(&spelled);
	assert_int_equal(redact_new(secrets, count, &r, &err), 0);
	s = redact_stream_new(r);
	for (size_t at = 0; at < len;) {
		size_t n = 1 + draw(draw(4) ? 5 : 200);

		if (n > len - at)
			n = len - at;
		assert_int_equal(redact_stream_feed(s, text + at, n, &got), 0);
		at += n;
	}
	assert_int_equal(redact_stream_end(s, &got), 0);
	assert_int_equal(buf_append(&whole, text, len), 0);
	redact_buf(r, &whole);
	if (got.len != wanted.len || memcmp(buf_head(&got), buf_head(&wanted), got.len) != 0 ||
	    whole.len != wanted.len || memcmp(buf_head(&whole), buf_head(&wanted), got.len) != 0)
		fail_msg("seed %u: text <%.*s> first secret <%.*s>\n got <%.*s>\n want <%.*s>", seed, (int)len, text,
			 (int)secrets[0].len, secrets[0].value, (int)got.len, (char *)buf_head(&got), (int)wanted.len,
			 (char *)buf_head(&wanted));
	redact_stream_free(s);
	redact_unref(r);
}

static void test_like_the_naive_reading(void **state)
{
	const char *given = getenv("HAWSER_SEED");
	unsigned first = given ? (unsigned)atoi(given) : 1, rounds = given ? 1 : 8000;

	for (unsigned seed = first; seed < first + rounds; seed++) {
		rng = seed * 2654435761u;
		one_round(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_texts),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_json_stays_json),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_escaped_twice),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_stream_holds_little),
		cmocka_unit_test(test_writers),
		cmocka_unit_test(test_like_the_naive_reading),
	};

	return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
