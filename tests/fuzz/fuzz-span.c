/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner and jansson accept and refuse the same texts, but for numbers beyond int64 and double (ours stay text)
 * and depth; what is accepted can be walked. */
#include "tests/fuzz/fuzz.h"

#include "base/span.h"

#include <jansson.h>
#include <string.h>

static void walk(struct span value)
{
	struct span key, item;
	size_t at = 0;

	FUZZ_CHECK(span_type(value) != SPAN_INVALID);
	while (span_next_member(value, &at, &key, &item)) {
		FUZZ_CHECK(key.p >= value.p && item.p + item.len <= value.p + value.len);
		walk(item);
	}
	while (span_next_element(value, &at, &item))
		walk(item);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error err = ERROR_INIT, lax = ERROR_INIT;
	struct span text = span_of(data, size), value = SPAN_NONE;
	bool ours = span_check(text, true, &value, &err) == 0;
	json_error_t why;
	json_t *theirs =
		json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);

	if (ours && !theirs)
		FUZZ_CHECK(json_error_code(&why) == json_error_numeric_overflow);
	if (!ours && theirs)
		/* jansson takes a NUL byte behind the value for the end of the text. */
		FUZZ_CHECK(strstr(error_text(&err), "64 levels") || memchr(data, 0, size));
	if (ours) {
		walk(value);
		FUZZ_CHECK(span_check(text, false, NULL, &lax) == 0);
	}
	json_decref(theirs);
	return 0;
}
