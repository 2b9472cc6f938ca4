/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_JSONRPC_H
#define HAWSER_BASE_JSONRPC_H

#include "base/buf.h"
#include "base/span.h"

/*
 * JSON-RPC 2.0 as MCP writes it on a byte stream: one message a line. Envelopes are read and written around raw spans,
 * so that params and results pass without being decoded. Pure; safe on any thread.
 *
 *   while (jsonrpc_next_line(&framer, bytes + used, n - used, &line, &take)) { used += take; ... jsonrpc_parse(line,
 * ...) }
 */

/* ---- lines ---- */
/* How far the bytes of an unfinished line were looked at, so that they are not looked at again. Starts as zero. */
struct jsonrpc_framer {
	size_t scanned;
};
/* bytes: all that was not consumed yet, beginning at the start of a line. True: ret_line is its text without LF (and a
 * CR before it), ret_used what to consume with it. False: there is no whole line; offer the same bytes and more again.
 */
bool jsonrpc_next_line(struct jsonrpc_framer *framer, const uint8_t *bytes, size_t n, struct span *ret_line,
		       size_t *ret_used);

/* ---- reading ---- */
enum jsonrpc_kind {
	JSONRPC_INVALID, /* JSON, but no message; id is there if it could be told (answer with JSONRPC_INVALID_REQUEST)
			  */
	JSONRPC_REQUEST,
	JSONRPC_NOTIFICATION,
	JSONRPC_RESPONSE,
	JSONRPC_ERROR, /* an error response; id is SPAN_NONE if the other end wrote null */
	JSONRPC_BATCH, /* an array (revision 2025-03-26 only): iterate whole and jsonrpc_read() each element */
};
enum { JSONRPC_ID_MAX = 256 }; /* bytes of a raw id; a longer one is invalid */

/* Spans are borrowed from the line that was parsed. */
struct jsonrpc_message {
	enum jsonrpc_kind kind;
	struct span whole;
	struct span id; /* raw: a string literal with its quotes, or an integer; SPAN_NONE for notifications */
	struct span method; /* raw string literal: compare with span_string_equals() */
	struct span params; /* raw object or array, or SPAN_NONE */
	struct span result; /* raw value */
	struct {
		struct span whole; /* raw object */
		int64_t code; /* 0 if it is no integer */
		struct span message; /* raw string literal, or SPAN_NONE */
		struct span data; /* raw, or SPAN_NONE */
	} error;
	const char *fault; /* why kind is JSONRPC_INVALID; static text */
};

/* Checks the line (span_check(), strict or not) and reads its envelope. Fails only if the line is no JSON; everything
 * else is a kind. "jsonrpc":"2.0" is wanted only if present: some servers leave it out. */
int jsonrpc_parse(struct span line, bool strict, struct jsonrpc_message *ret, struct error *err) _must_check_;
/* The same for a value that span_check() accepted. */
void jsonrpc_read(struct span value, struct jsonrpc_message *ret);

/* ---- writing: one line each, with its LF ---- */
enum jsonrpc_code {
	JSONRPC_PARSE_ERROR = -32700,
	JSONRPC_INVALID_REQUEST = -32600,
	JSONRPC_METHOD_NOT_FOUND = -32601,
	JSONRPC_INVALID_PARAMS = -32602,
	JSONRPC_INTERNAL_ERROR = -32603,
};
/* params may be SPAN_NONE. id: SPAN_NONE makes a notification. Raw spans are written with line breaks blanked. */
int jsonrpc_write_request(struct buf *out, struct span id, const char *method, struct span params) _must_check_;
int jsonrpc_write_response(struct buf *out, struct span id, struct span result) _must_check_;
/* id SPAN_NONE: null. data may be SPAN_NONE. */
int jsonrpc_write_error(struct buf *out, struct span id, int code, const char *message, struct span data) _must_check_;

/* For big bodies: the text before the raw params (or result), which JSONRPC_END follows; write the three with
 * io_writev(). The body must not have line breaks: jsonrpc_one_line(). */
#define JSONRPC_END "}\n"
int jsonrpc_request_head(struct buf *out, struct span id, const char *method) _must_check_;
int jsonrpc_response_head(struct buf *out, struct span id) _must_check_;
/* Has raw JSON no line break? */
bool jsonrpc_one_line(struct span raw);
/* Raw JSON with its line breaks (they are between tokens only) made blanks. */
int jsonrpc_append_raw(struct buf *out, struct span raw) _must_check_;

#endif
