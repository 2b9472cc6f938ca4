/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a schema, a NUL, a value. Any schema compiles or is refused; a check ends, and its answer goes with its
 * faults. */
#include "tests/fuzz/fuzz.h"

#include "policy/schema/schema.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf faults = BUF_INIT(16 << 10);
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	struct schema *s = NULL;
	struct span value;

	if (!nul || schema_compile(span_of(data, (size_t)(nul - data)), &s, &err) < 0)
		return 0;
	if (span_check(span_of(nul + 1, size - (size_t)(nul + 1 - data)), true, &value, &err) == 0)
		FUZZ_CHECK(schema_check(s, value, &faults) == (faults.len == 0));
	schema_free(s);
	return 0;
}
