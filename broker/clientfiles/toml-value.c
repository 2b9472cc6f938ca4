/* SPDX-License-Identifier: Apache-2.0 */
/* Values and keys of TOML 1.0. Dates become text. NULL: not TOML, or of no use here (NUL in a text, nested too deep).
 */
#include "base/utf8.h"
#include "broker/clientfiles/toml.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 256 * 1024, ENTRIES_MAX = 4096 };

const char *toml_skip(const char *p, const char *end, bool lines)
{
	while (p < end) {
		if (*p == ' ' || *p == '\t' || (lines && (*p == '\n' || *p == '\r'))) {
			p++;
		} else if (lines && *p == '#') {
			while (p < end && *p != '\n')
				p++;
		} else {
			break;
		}
	}
	return p;
}

static bool starts(const char *p, const char *end, const char *with)
{
	size_t n = strlen(with);

	return (size_t)(end - p) >= n && memcmp(p, with, n) == 0;
}

/* \uXXXX or \UXXXXXXXX, p behind the backslash. */
static int unicode_escape(const char **p, const char *end, struct buf *out)
{
	size_t digits = **p == 'u' ? 4 : 8;
	char hex[9] = "", utf8[4], *stop;
	unsigned long ch;

	if ((size_t)(end - *p) <= digits)
		return -EINVAL;
	memcpy(hex, *p + 1, digits);
	ch = strtoul(hex, &stop, 16);
	if (*stop || !isxdigit((unsigned char)hex[0]) || ch == 0 || ch > 0x10ffff || (ch >= 0xd800 && ch < 0xe000))
		return -EINVAL;
	*p += digits + 1;
	return buf_append(out, utf8, utf8_put(utf8, (unsigned)ch));
}

static int escape(const char **p, const char *end, bool multi, struct buf *out)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\x1b\"\\";
	const char *which, *line;

	if (*p >= end)
		return -EINVAL;
	if (**p == 'u' || **p == 'U')
		return unicode_escape(p, end, out);
	line = toml_skip(*p, end, false);
	if (multi && line < end &&
	    (*line == '\n' || *line == '\r')) { /* a backslash ends the line: all white space goes */
		while (*p < end && strchr(" \t\r\n", **p) && **p)
			++*p;
		return 0;
	}
	which = **p ? strchr(from, **p) : NULL;
	if (!which)
		return -EINVAL;
	++*p;
	return buf_append(out, &to[which - from], 1);
}

/* p at the first quote. */
static char *read_text(const char **p, const char *end)
{
	const char *mark = starts(*p, end, "\"\"\"") ? "\"\"\"" : starts(*p, end, "'''") ? "'''" : NULL;
	_cleanup_buf_ struct buf out = BUF_INIT(TEXT_MAX);
	char one[2] = {**p, '\0'};
	bool multi = mark != NULL, basic = **p == '"';
	int r = buf_append_str(&out, "");

	mark = mark ? mark : one;
	*p += strlen(mark);
	if (multi && starts(*p, end, "\r\n"))
		*p += 2;
	else if (multi && starts(*p, end, "\n"))
		*p += 1;
	while (r == 0 && !starts(*p, end, mark)) {
		if (*p >= end || **p == '\0' || (!multi && **p == '\n'))
			return NULL;
		if (basic && **p == '\\') {
			++*p;
			r = escape(p, end, multi, &out);
		} else {
			r = buf_append(&out, (*p)++, 1);
		}
	}
	if (r < 0)
		return NULL;
	*p += strlen(mark);
	for (int more = 0; multi && more < 2 && starts(*p, end, one);
	     more++, ++*p) /* up to two quotes before the end */
		if (buf_append_str(&out, one) < 0)
			return NULL;
	return buf_steal(&out, NULL);
}

static json_t *read_list(const char **p, const char *end, int depth)
{
	json_auto_t *list = json_array();

	for (++*p; list && json_array_size(list) < ENTRIES_MAX;) {
		json_t *value;

		*p = toml_skip(*p, end, true);
		if (*p < end && **p == ']') {
			++*p;
			return TAKE_PTR(list);
		}
		value = toml_value(p, end, depth + 1);
		if (!value || json_array_append_new(list, value) < 0)
			return NULL;
		*p = toml_skip(*p, end, true);
		if (*p < end && **p == ',')
			++*p;
		else if (*p >= end || **p != ']')
			return NULL;
	}
	return NULL;
}

static json_t *read_inline_table(const char **p, const char *end, int depth)
{
	json_auto_t *table = json_object();

	for (++*p; table && json_object_size(table) < ENTRIES_MAX;) {
		char *parts[TOML_PARTS_MAX];
		json_t *value = NULL;
		size_t count;
		int r = 0;

		*p = toml_skip(*p, end, true);
		if (*p < end && **p == '}') {
			++*p;
			return TAKE_PTR(table);
		}
		if (toml_key(p, end, parts, &count) < 0)
			return NULL;
		if (count == 1 && *p < end && **p == '=') {
			*p = toml_skip(*p + 1, end, false);
			value = toml_value(p, end, depth + 1);
		}
		r = value ? json_object_set_new(table, parts[0], value) : -1;
		while (count > 0)
			free(parts[--count]);
		if (r < 0)
			return NULL;
		*p = toml_skip(*p, end, true);
		if (*p < end && **p == ',')
			++*p;
		else if (*p >= end || **p != '}')
			return NULL;
	}
	return NULL;
}

/* true, false, numbers; what else begins like one (dates, inf) is kept as text. */
static json_t *read_word(const char **p, const char *end)
{
	char text[64], *stop;
	size_t n = 0;
	long long whole;
	double real;

	for (; *p < end && **p && (isalnum((unsigned char)**p) || strchr("+-._:", **p)); ++*p) {
		if (n + 1 >= sizeof(text))
			return NULL;
		if (**p != '_')
			text[n++] = **p;
	}
	text[n] = '\0';
	if (n == 0)
		return NULL;
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(text[0] == 't');
	errno = 0;
	whole = strtoll(text, &stop, 10);
	if (!*stop && errno == 0)
		return json_integer(whole);
	real = strtod(text, &stop);
	return !*stop && isdigit((unsigned char)text[n - 1]) && errno == 0 ? json_real(real) : json_string(text);
}

json_t *toml_value(const char **p, const char *end, int depth)
{
	if (*p >= end || depth > TOML_DEPTH_MAX)
		return NULL;
	if (**p == '"' || **p == '\'') {
		_cleanup_free_ char *text = read_text(p, end);

		return text ? json_string(text) : NULL;
	}
	if (**p == '[')
		return read_list(p, end, depth);
	if (**p == '{')
		return read_inline_table(p, end, depth);
	return read_word(p, end);
}

static char *key_part(const char **p, const char *end)
{
	const char *from = *p;

	if (*p < end && (**p == '"' || **p == '\''))
		return read_text(p, end);
	while (*p < end && (isalnum((unsigned char)**p) || **p == '_' || **p == '-'))
		++*p;
	return *p > from ? strndup(from, (size_t)(*p - from)) : NULL;
}

int toml_key(const char **p, const char *end, char *ret[TOML_PARTS_MAX], size_t *ret_count)
{
	size_t count = 0;

	while (count < TOML_PARTS_MAX) {
		*p = toml_skip(*p, end, false);
		ret[count] = key_part(p, end);
		if (!ret[count])
			break;
		count++;
		*p = toml_skip(*p, end, false);
		if (*p >= end || **p != '.') {
			*ret_count = count;
			return 0;
		}
		++*p;
	}
	while (count > 0)
		free(ret[--count]);
	return -EINVAL;
}
