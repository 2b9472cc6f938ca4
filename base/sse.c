/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine over lines: START -> NAME -> SPACE -> VALUE -> (end of line) -> START. What is not known is skipped,
 * so that it costs no memory. Data goes straight into the event's buffer, the small fields into one of fixed size.
 */
#include "base/sse.h"

#include <string.h>

enum { START, NAME, SPACE, VALUE, SKIP };
enum { FIELD_DATA, FIELD_EVENT, FIELD_ID, FIELD_RETRY, FIELD_COUNT };

static const char *const names[FIELD_COUNT] = {"data", "event", "id", "retry"};

void sse_init(struct sse *s, size_t data_max)
{
	*s = (struct sse){.data = BUF_INIT(data_max), .retry_ms = -1};
}

static void forget_event(struct sse *s)
{
	buf_clear(&s->data);
	s->type[0] = '\0';
	s->has_data = s->given = false;
}

void sse_restart(struct sse *s)
{
	forget_event(s);
	s->state = START;
	s->bom = 0;
	s->after_cr = s->too_large = false;
	s->name_len = s->value_len = 0;
	memcpy(s->next_id, s->id, sizeof(s->id));
}

void sse_done(struct sse *s)
{
	buf_done(&s->data);
}

/* ---- fields ---- */

static void begin_field(struct sse *s)
{
	s->field = 0;
	while (s->field < FIELD_COUNT &&
	       (strlen(names[s->field]) != s->name_len || memcmp(names[s->field], s->name, s->name_len) != 0))
		s->field++;
	s->value_len = 0;
	s->value_bad = false;
	s->state = s->field < FIELD_COUNT ? SPACE : SKIP;
	if (s->field != FIELD_DATA)
		return;
	if (s->has_data && buf_append(&s->data, "\n", 1) < 0)
		s->too_large = true;
	s->has_data = true;
}

static void add_value(struct sse *s, const uint8_t *bytes, size_t len)
{
	if (s->field == FIELD_DATA) {
		if (buf_append(&s->data, bytes, len) < 0)
			s->too_large = true;
		return;
	}
	if (s->value_bad || len > sizeof(s->value) - s->value_len || memchr(bytes, 0, len)) {
		s->value_bad = true;
		return;
	}
	memcpy(s->value + s->value_len, bytes, len);
	s->value_len += len;
}

static void take_retry(struct sse *s)
{
	int64_t ms = 0;

	for (size_t i = 0; i < s->value_len; i++) {
		if (s->value[i] < '0' || s->value[i] > '9' || ms > INT32_MAX)
			return;
		ms = ms * 10 + (s->value[i] - '0');
	}
	if (s->value_len)
		s->retry_ms = ms;
}

static void end_field(struct sse *s)
{
	char *to = s->field == FIELD_EVENT ? s->type : s->next_id;

	if (s->value_bad || s->field == FIELD_DATA)
		return;
	if (s->field == FIELD_RETRY) {
		take_retry(s);
		return;
	}
	memcpy(to, s->value, s->value_len);
	to[s->value_len] = '\0';
}

/* ---- lines ---- */

/* True: an event is complete. */
static bool end_line(struct sse *s)
{
	int state = s->state;

	s->state = START;
	if (state == START) {
		memcpy(s->id, s->next_id, sizeof(s->id));
		if (!s->has_data)
			s->type[0] = '\0';
		return s->has_data;
	}
	if (state == NAME) { /* a line without a colon is a field without a value */
		begin_field(s);
		state = s->state;
		s->state = START;
	}
	if (state != SKIP)
		end_field(s);
	return false;
}

/* One byte of a name, or the colon behind it. */
static void take_name(struct sse *s, uint8_t c)
{
	if (s->state == START) {
		s->name_len = 0;
		s->state = c == ':' ? SKIP : NAME; /* a comment */
	}
	if (s->state == SKIP)
		return;
	if (c == ':')
		begin_field(s);
	else if (s->name_len == sizeof(s->name))
		s->state = SKIP;
	else
		s->name[s->name_len++] = (char)c;
}

/* Some bytes within a line; returns how many were taken. */
static size_t take(struct sse *s, const uint8_t *bytes, size_t len)
{
	switch (s->state) {
	case START:
	case NAME:
		take_name(s, *bytes);
		return 1;
	case SPACE:
		s->state = VALUE;
		return *bytes == ' ';
	case VALUE:
		add_value(s, bytes, len);
		break;
	}
	return len;
}

static bool skip_bom(struct sse *s, uint8_t c)
{
	static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};

	if (c == mark[s->bom]) {
		s->bom++;
		return true;
	}
	if (s->bom) /* the mark's first bytes begin no field that we know */
		s->state = SKIP;
	s->bom = 3;
	return false;
}

static size_t line_length(const uint8_t *bytes, size_t len)
{
	const uint8_t *lf = memchr(bytes, '\n', len), *cr;

	len = lf ? (size_t)(lf - bytes) : len;
	cr = memchr(bytes, '\r', len);
	return cr ? (size_t)(cr - bytes) : len;
}

enum sse_result sse_read(struct sse *s, const uint8_t *bytes, size_t len, size_t *ret_used)
{
	size_t at = 0, left = 0; /* left: bytes of the present line */

	if (s->given)
		forget_event(s);
	while (at < len && !s->too_large) {
		if (s->bom < 3 && skip_bom(s, bytes[at])) {
			at++;
			continue;
		}
		if (s->after_cr && bytes[at] == '\n') {
			s->after_cr = false;
			at++;
			continue;
		}
		s->after_cr = false;
		if (left == 0)
			left = line_length(bytes + at, len - at);
		if (left) {
			size_t n = take(s, bytes + at, left);

			at += n;
			left -= n;
			continue;
		}
		s->after_cr = bytes[at++] == '\r';
		if (end_line(s)) {
			s->given = true;
			*ret_used = at;
			return SSE_EVENT;
		}
	}
	*ret_used = at;
	return s->too_large ? SSE_TOO_LARGE : SSE_MORE;
}
