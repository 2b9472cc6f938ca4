/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonrpc.h"

#include <errno.h>
#include <string.h>

bool jsonrpc_next_line(struct jsonrpc_framer *framer, const uint8_t *bytes, size_t n, struct span *ret_line,
		       size_t *ret_used)
{
	const uint8_t *lf;
	size_t len;

	if (framer->scanned >= n)
		return false;
	lf = memchr(bytes + framer->scanned, '\n', n - framer->scanned);
	if (!lf) {
		framer->scanned = n;
		return false;
	}
	framer->scanned = 0;
	len = (size_t)(lf - bytes);
	*ret_used = len + 1;
	if (len && bytes[len - 1] == '\r')
		len--;
	*ret_line = span_of(bytes, len);
	return true;
}

static bool id_is_usable(struct span id)
{
	int64_t ignored;

	if (!id.p || id.len > JSONRPC_ID_MAX)
		return false;
	if (span_type(id) == SPAN_STRING)
		return true;
	return span_type(id) == SPAN_NUMBER && span_int64(id, &ignored) == 0;
}

static void read_error(struct span error, struct jsonrpc_message *ret)
{
	struct span message = span_member(error, "message");

	ret->error.whole = error;
	ret->error.data = span_member(error, "data");
	if (span_int64(span_member(error, "code"), &ret->error.code) < 0)
		ret->error.code = 0;
	if (span_type(message) == SPAN_STRING)
		ret->error.message = message;
}

/* The members of an envelope, as they are written; the first of equal names counts. */
struct envelope {
	struct span version, id, method, params, result, error;
};

static void read_envelope(struct span object, struct envelope *ret)
{
	static const struct {
		const char *name;
		size_t offset;
	} members[] = {
		{"jsonrpc", offsetof(struct envelope, version)}, {"id", offsetof(struct envelope, id)},
		{"method", offsetof(struct envelope, method)},   {"params", offsetof(struct envelope, params)},
		{"result", offsetof(struct envelope, result)},   {"error", offsetof(struct envelope, error)},
	};
	struct span key, value;
	size_t at = 0;

	*ret = (struct envelope){0};
	while (span_next_member(object, &at, &key, &value)) {
		for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
			struct span *slot = (struct span *)(void *)((char *)ret + members[i].offset);

			if (!span_string_equals(key, members[i].name))
				continue;
			if (!slot->p)
				*slot = value;
			break;
		}
	}
}

/* What is wrong with the envelope, or NULL with the kind set. */
static const char *judge(const struct envelope *e, struct jsonrpc_message *ret)
{
	bool null_id = e->id.p && span_type(e->id) == SPAN_NULL;

	if (e->version.p && !span_string_equals(e->version, "2.0"))
		return "\"jsonrpc\" is not \"2.0\"";
	if (e->id.p && !ret->id.p && !(null_id && e->error.p))
		return "\"id\" is neither a string nor an integer";
	if (e->method.p) {
		if (span_type(e->method) != SPAN_STRING)
			return "\"method\" is not a string";
		if (e->params.p && span_type(e->params) != SPAN_OBJECT && span_type(e->params) != SPAN_ARRAY)
			return "\"params\" is not an object";
		ret->kind = e->id.p ? JSONRPC_REQUEST : JSONRPC_NOTIFICATION;
		return NULL;
	}
	if (e->error.p) {
		if (span_type(e->error) != SPAN_OBJECT)
			return "\"error\" is not an object";
		ret->kind = JSONRPC_ERROR;
		read_error(e->error, ret);
		return NULL;
	}
	if (!e->result.p)
		return "no \"method\", \"result\" or \"error\"";
	if (!ret->id.p)
		return "a result without \"id\"";
	ret->kind = JSONRPC_RESPONSE;
	return NULL;
}

void jsonrpc_read(struct span value, struct jsonrpc_message *ret)
{
	struct envelope e;

	*ret = (struct jsonrpc_message){.kind = JSONRPC_INVALID, .whole = value};
	if (span_type(value) == SPAN_ARRAY) {
		ret->kind = JSONRPC_BATCH;
		return;
	}
	if (span_type(value) != SPAN_OBJECT) {
		ret->fault = "not an object";
		return;
	}
	read_envelope(value, &e);
	if (id_is_usable(e.id))
		ret->id = e.id;
	ret->method = e.method;
	ret->params = e.params;
	ret->result = e.result;
	ret->fault = judge(&e, ret);
}

int jsonrpc_parse(struct span line, bool strict, struct jsonrpc_message *ret, struct error *err)
{
	struct span value;
	int r = span_check(line, strict, &value, err);

	if (r < 0)
		return r;
	jsonrpc_read(value, ret);
	return 0;
}

bool jsonrpc_one_line(struct span raw)
{
	return raw.len == 0 || (!memchr(raw.p, '\n', raw.len) && !memchr(raw.p, '\r', raw.len));
}

int jsonrpc_append_raw(struct buf *out, struct span raw)
{
	uint8_t *room = buf_reserve(out, raw.len);

	if (!room)
		return raw.len > buf_room(out) ? -E2BIG : -ENOMEM;
	if (raw.len) {
		memcpy(room, raw.p, raw.len);
		for (uint8_t *lf = room; (lf = memchr(lf, '\n', raw.len - (size_t)(lf - room)));)
			*lf = ' ';
		for (uint8_t *cr = room; (cr = memchr(cr, '\r', raw.len - (size_t)(cr - room)));)
			*cr = ' ';
	}
	buf_commit(out, raw.len);
	return 0;
}

int jsonrpc_request_head(struct buf *out, struct span id, const char *method)
{
	int r = buf_append_str(out, "{\"jsonrpc\":\"2.0\"");

	if (r == 0 && id.p)
		r = buf_append_str(out, ",\"id\":");
	if (r == 0 && id.p)
		r = buf_append(out, id.p, id.len);
	if (r == 0)
		r = buf_append_str(out, ",\"method\":");
	if (r == 0)
		r = buf_append_json(out, method, strlen(method));
	return r ? r : buf_append_str(out, ",\"params\":");
}

int jsonrpc_response_head(struct buf *out, struct span id)
{
	int r = buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"id\":");

	if (r == 0)
		r = id.p ? buf_append(out, id.p, id.len) : buf_append_str(out, "null");
	return r ? r : buf_append_str(out, ",\"result\":");
}

int jsonrpc_write_request(struct buf *out, struct span id, const char *method, struct span params)
{
	size_t before = out->len;
	int r = jsonrpc_request_head(out, id, method);

	if (r == 0 && !params.p)
		out->len -= sizeof(",\"params\":") - 1;
	if (r == 0)
		r = jsonrpc_append_raw(out, params);
	if (r == 0)
		r = buf_append_str(out, JSONRPC_END);
	if (r < 0)
		out->len = before;
	return r;
}

int jsonrpc_write_response(struct buf *out, struct span id, struct span result)
{
	size_t before = out->len;
	int r = jsonrpc_response_head(out, id);

	if (r == 0)
		r = jsonrpc_append_raw(out, result);
	if (r == 0)
		r = buf_append_str(out, JSONRPC_END);
	if (r < 0)
		out->len = before;
	return r;
}

int jsonrpc_write_error(struct buf *out, struct span id, int code, const char *message, struct span data)
{
	size_t before = out->len;
	int r = buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"id\":");

	if (r == 0)
		r = id.p ? buf_append(out, id.p, id.len) : buf_append_str(out, "null");
	if (r == 0)
		r = buf_printf(out, ",\"error\":{\"code\":%d,\"message\":", code);
	if (r == 0)
		r = buf_append_json(out, message, strlen(message));
	if (r == 0 && data.p)
		r = buf_append_str(out, ",\"data\":");
	if (r == 0)
		r = jsonrpc_append_raw(out, data);
	if (r == 0)
		r = buf_append_str(out, "}" JSONRPC_END);
	if (r < 0)
		out->len = before;
	return r;
}
