/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and envelopes as an MCP server or client may send them: all spans stand inside of the line, and what was read
 * can be written and read again. */
#include "base/jsonrpc.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_inside(struct span whole, struct span part)
{
	assert(!part.p || (part.p >= whole.p && part.len <= whole.len && part.p + part.len <= whole.p + whole.len));
}

static void write_again(const struct jsonrpc_message *m)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct jsonrpc_message again;

	if (m->kind != JSONRPC_RESPONSE || jsonrpc_write_response(&out, m->id, m->result) < 0)
		return;
	assert(buf_head(&out)[out.len - 1] == '\n');
	assert(jsonrpc_one_line(span_of(buf_head(&out), out.len - 1)));
	assert(jsonrpc_parse(span_of(buf_head(&out), out.len), false, &again, &err) == 0);
	assert(again.kind == JSONRPC_RESPONSE && again.result.len == m->result.len);
}

static void read_line(struct span line)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct jsonrpc_message m;

	if (jsonrpc_parse(line, false, &m, &err) < 0)
		return;
	assert_inside(line, m.whole);
	assert_inside(m.whole, m.id);
	assert_inside(m.whole, m.method);
	assert_inside(m.whole, m.params);
	assert_inside(m.whole, m.result);
	assert_inside(m.whole, m.error.whole);
	assert_inside(m.whole, m.error.message);
	assert_inside(m.whole, m.error.data);
	assert((m.kind == JSONRPC_INVALID) == (m.fault != NULL));
	write_again(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonrpc_framer framer = {0};
	struct span line;
	size_t used = 0, take;

	while (jsonrpc_next_line(&framer, data + used, size - used, &line, &take)) {
		used += take;
		read_line(line);
	}
	read_line(span_of(data + used, size - used));
	return 0;
}
