/* SPDX-License-Identifier: Apache-2.0 */
/* JSON (RFC 8259) with line numbers: strict, because a key that is there twice or a comment that another reader takes
 * for something else is how two programs come to read two configurations. */
#include "base/utf8.h"
#include "broker/core/config-tree.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct json_reader {
	const char *p, *end;
	int line;
	const char *file;
	struct config_faults *faults;
};

static struct config_node *read_value(struct json_reader *j, int depth);

static void *fail(struct json_reader *j, const char *what)
{
	config_fault(j->faults, j->file, j->line, "%s", what);
	return NULL;
}

static void skip_space(struct json_reader *j)
{
	for (; j->p < j->end && strchr(" \t\r\n", *j->p) && *j->p; j->p++)
		if (*j->p == '\n')
			j->line++;
}

static bool at(const struct json_reader *j, char ch)
{
	return j->p < j->end && *j->p == ch;
}

static void *fail_here(struct json_reader *j, const char *wanted)
{
	if (j->p >= j->end)
		config_fault(j->faults, j->file, j->line, "the file ends where %s should stand; is a bracket open?",
			     wanted);
	else if (*j->p == '/' || *j->p == '#')
		fail(j, "comments are not JSON; take it out, or name the file .yaml and use #");
	else if (*j->p == '\'')
		fail(j, "text stands in double quotes in JSON");
	else
		config_fault(j->faults, j->file, j->line, "%s should stand here, not %.1s%s", wanted, j->p,
			     strchr("}]", *j->p) ? "; is there a comma too many before it?" : "");
	return NULL;
}

static int hex4(const char *p)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return -1;
		value = value * 16 + (isdigit((unsigned char)p[i]) ? p[i] - '0' : (tolower(p[i]) - 'a' + 10));
	}
	return value;
}

/* The character of \uXXXX (and its second half), p behind the u. 0: refused. */
static unsigned read_unicode(struct json_reader *j)
{
	int high, low;

	if (j->end - j->p < 4 || (high = hex4(j->p)) < 0)
		return 0;
	j->p += 4;
	if (high < 0xd800 || high > 0xdfff)
		return (unsigned)high;
	if (high > 0xdbff || j->end - j->p < 6 || j->p[0] != '\\' || j->p[1] != 'u')
		return 0;
	low = hex4(j->p + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	j->p += 6;
	return 0x10000u + ((unsigned)(high - 0xd800) << 10) + (unsigned)(low - 0xdc00);
}

/* One escape (p behind the backslash) into out; 0: refused. */
static size_t read_escape(struct json_reader *j, char *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *which;
	unsigned ch;

	if (j->p >= j->end)
		return 0;
	if (*j->p == 'u') {
		j->p++;
		ch = read_unicode(j);
		return ch ? utf8_put(out, ch) : 0;
	}
	which = *j->p ? strchr(from, *j->p) : NULL;
	if (!which)
		return 0;
	*out = to[which - from];
	j->p++;
	return 1;
}

/* Text of a string literal (p at its quote), on the heap. */
static char *read_text(struct json_reader *j)
{
	_cleanup_free_ char *text = malloc((size_t)(j->end - j->p) + 1); /* decoding never makes it longer */
	size_t n = 0, width;
	char *small;

	if (!text)
		return fail(j, "no memory");
	for (j->p++; !at(j, '"'); n += width) {
		if (j->p >= j->end || *j->p == '\n')
			return fail(j, "text without its closing quote in this line");
		if (*j->p == '\\') {
			j->p++;
			width = read_escape(j, text + n);
			if (!width)
				return fail(
					j,
					"bad escape in text (half of a surrogate pair, \\u0000, or an unknown letter)");
			continue;
		}
		width = utf8_width(j->p, (size_t)(j->end - j->p));
		if (!width || (unsigned char)*j->p < 0x20)
			return fail(j, "a byte that is not UTF-8, or a control character, in text");
		memcpy(text + n, j->p, width);
		j->p += width;
	}
	j->p++;
	text[n] = '\0';
	small = realloc(text, n + 1);
	TAKE_PTR(text);
	return small;
}

static bool add_entry(struct json_reader *j, struct config_node *n, struct config_node *child, const char *key,
		      int line)
{
	const struct config_node *before = key ? config_node_member(n, key) : NULL;
	int before_line = before ? before->key_line : 0;
	int r = child ? config_node_add(n, child, key, line) : -EINVAL;

	if (r == -EEXIST)
		config_fault(j->faults, j->file, line, "%s stands here twice (first in line %d); keep one",
			     key ? key : "", before_line);
	if (r == -E2BIG)
		config_fault(j->faults, j->file, line, "more than %d entries; split it", CONFIG_ENTRIES_MAX);
	return r == 0 || r == -EEXIST;
}

static bool read_entry(struct json_reader *j, struct config_node *n, int depth)
{
	_cleanup_free_ char *key = NULL;
	int line;

	skip_space(j);
	line = j->line;
	if (n->kind == CONFIG_ARRAY)
		return add_entry(j, n, read_value(j, depth), NULL, line);
	if (!at(j, '"'))
		return fail_here(j, "a key in double quotes");
	key = read_text(j);
	if (!key)
		return false;
	skip_space(j);
	if (!at(j, ':'))
		return fail_here(j, "a colon");
	j->p++;
	return add_entry(j, n, read_value(j, depth), key, line);
}

static struct config_node *read_collection(struct json_reader *j, int depth)
{
	bool object = *j->p++ == '{';
	char close = object ? '}' : ']';
	struct config_node *n = config_node_new(object ? CONFIG_OBJECT : CONFIG_ARRAY, j->line);
	bool ok = n != NULL;

	skip_space(j);
	if (ok && at(j, close)) {
		j->p++;
		return n;
	}
	while (ok && (ok = read_entry(j, n, depth))) {
		skip_space(j);
		if (at(j, close)) {
			j->p++;
			return n;
		}
		if (!at(j, ','))
			ok = fail_here(j, object ? "a comma or }" : "a comma or ]");
		else
			j->p++;
	}
	return config_node_free(n);
}

static struct config_node *read_word(struct json_reader *j)
{
	const char *start = j->p;
	struct config_node *n;
	char *text;

	while (j->p < j->end && (isalnum((unsigned char)*j->p) || (*j->p && strchr("+-.", *j->p))))
		j->p++;
	if (j->p == start)
		return fail_here(j, "a value");
	text = strndup(start, (size_t)(j->p - start));
	n = config_node_new(CONFIG_NULL, j->line);
	if (!n || !text) {
		free(text);
		return config_node_free(n);
	}
	config_node_set_plain(n, text);
	if (n->kind == CONFIG_STRING) {
		config_fault(j->faults, j->file, j->line, "%.40s is no JSON value; put text in double quotes", text);
		return config_node_free(n);
	}
	return n;
}

static struct config_node *read_value(struct json_reader *j, int depth)
{
	struct config_node *n;

	skip_space(j);
	if (depth > CONFIG_DEPTH_MAX)
		return fail(j, "nested deeper than 32 levels");
	if (at(j, '{') || at(j, '['))
		return read_collection(j, depth + 1);
	if (!at(j, '"'))
		return read_word(j);
	n = config_node_new(CONFIG_STRING, j->line);
	if (n && !(n->text = read_text(j)))
		return config_node_free(n);
	return n;
}

struct config_node *config_read_json(const char *file, const char *text, size_t len, struct config_faults *faults)
{
	struct json_reader j = {.p = text, .end = text + len, .line = 1, .file = file, .faults = faults};
	struct config_node *root;

	root = read_value(&j, 0);
	if (!root)
		return NULL;
	skip_space(&j);
	if (j.p < j.end) {
		fail_here(&j, "the end of the file");
		return config_node_free(root);
	}
	return root;
}
