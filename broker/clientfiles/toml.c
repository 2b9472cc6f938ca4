/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statement by statement: [header], key = value, or nothing. The path of a value is its table's and its key's together,
 * so that [mcp_servers.x.env], mcp_servers.x.command = ... and x = { ... } below [mcp_servers] all say the same.
 */
#include "broker/clientfiles/toml.h"

#include <errno.h>
#include <string.h>

enum { PATH_PARTS_MAX = 2 * TOML_PARTS_MAX };

struct key {
	char *parts[TOML_PARTS_MAX];
	size_t count;
};

struct reader {
	const char *text, *end;
	const char *wanted;
	struct key header;
	bool list; /* [[header]]: of no use here */
	struct toml *ret;
	size_t range; /* of the present header + 1; 0: not one of ours */
	int line;
};

static void key_clear(struct key *key)
{
	while (key->count > 0)
		free(key->parts[--key->count]);
}

void toml_done(struct toml *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->servers[i].name);
		free(t->servers[i].fault);
		json_decref(t->servers[i].value);
	}
	free(t->servers);
	free(t->ranges);
	*t = (struct toml){0};
}

/* Index + 1 of a server, made when it is new; 0: too many. */
static size_t server_of(struct reader *r, const char *name)
{
	struct toml_server *all;

	for (size_t i = 0; i < r->ret->count; i++)
		if (strcmp(r->ret->servers[i].name, name) == 0)
			return i + 1;
	if (r->ret->count >= TOML_SERVERS_MAX)
		return 0;
	all = realloc(r->ret->servers, (r->ret->count + 1) * sizeof(*all));
	if (!all)
		return 0;
	r->ret->servers = all;
	all[r->ret->count] = (struct toml_server){.name = strdup(name), .line = r->line, .value = json_object()};
	r->ret->count++;
	return all[r->ret->count - 1].name && all[r->ret->count - 1].value ? r->ret->count : 0;
}

/* The lines [from, to) are the server's. Returns their index + 1; 0: too many. */
static size_t add_range(struct reader *r, size_t server, const char *from, const char *to)
{
	struct toml_range *all;

	if (r->ret->range_count >= TOML_RANGES_MAX)
		return 0;
	all = realloc(r->ret->ranges, (r->ret->range_count + 1) * sizeof(*all));
	if (!all)
		return 0;
	r->ret->ranges = all;
	all[r->ret->range_count] = (struct toml_range){(size_t)(from - r->text), (size_t)(to - r->text), server - 1};
	return ++r->ret->range_count;
}

static const char *line_end(const char *p, const char *end)
{
	const char *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

	return stop ? stop + 1 : end;
}

/* Behind a value only blanks and a comment may follow. */
static const char *statement_end(const char *p, const char *end)
{
	p = toml_skip(p, end, false);
	if (p < end && *p != '#' && *p != '\n' && *p != '\r')
		return NULL;
	return line_end(p, end);
}

static const char *read_header(struct reader *r, const char *p)
{
	const char *from = p;
	size_t server;

	r->list = p + 1 < r->end && p[1] == '[';
	p += r->list ? 2 : 1;
	r->range = 0;
	key_clear(&r->header);
	if (toml_key(&p, r->end, r->header.parts, &r->header.count) < 0)
		return NULL;
	for (int i = 0; i < (r->list ? 2 : 1); i++, p++)
		if (p >= r->end || *p != ']')
			return NULL;
	p = statement_end(p, r->end);
	if (!p || r->list || r->header.count < 2 || strcmp(r->header.parts[0], r->wanted) != 0)
		return p;
	server = server_of(r, r->header.parts[1]);
	if (!server || !(r->range = add_range(r, server, from, p)))
		return NULL;
	return p;
}

/* Sets a value below the server's object; objects on the way are made. */
static int set_value(json_t *object, char *const *path, size_t count, json_t *value)
{
	for (; count > 1; count--, path++) {
		json_t *next = json_object_get(object, path[0]);

		if (!next) {
			next = json_object();
			if (json_object_set_new(object, path[0], next) < 0)
				return -ENOMEM;
		}
		object = next;
	}
	return json_object_set(object, path[0], value); /* refused when it is no object */
}

/* path: of the value, mcp_servers and the name in front. */
static int keep_value(struct reader *r, char *const *path, size_t count, json_t *value, const char *from,
		      const char *to)
{
	size_t server = server_of(r, path[1]);
	struct toml_server *s;
	int result = 0;

	if (!server)
		return -E2BIG;
	s = &r->ret->servers[server - 1];
	if (!value || (count == 2 && !json_is_object(value)))
		result = -EINVAL;
	else
		result = count == 2 ? json_object_update(s->value, value)
				    : set_value(s->value, path + 2, count - 2, value);
	if (result < 0 && !s->fault && asprintf(&s->fault, "line %d cannot be read", r->line) < 0)
		s->fault = NULL;
	if (r->range)
		r->ret->ranges[r->range - 1].to = (size_t)(to - r->text);
	else if (!add_range(r, server, from, to))
		return -E2BIG;
	return 0;
}

static const char *read_pair(struct reader *r, const char *p)
{
	char *path[PATH_PARTS_MAX];
	struct key key = {.count = 0};
	json_auto_t *value = NULL;
	const char *from = p;
	size_t count = 0;
	int result = 0;

	if (toml_key(&p, r->end, key.parts, &key.count) < 0)
		return NULL;
	if (p < r->end && *p == '=') {
		p = toml_skip(p + 1, r->end, false);
		value = toml_value(&p, r->end, 0);
	}
	p = value ? statement_end(p, r->end) : NULL;
	for (size_t i = 0; i < r->header.count; i++)
		path[count++] = r->header.parts[i];
	for (size_t i = 0; i < key.count; i++)
		path[count++] = key.parts[i];
	if (p && !r->list && count >= 2 && strcmp(path[0], r->wanted) == 0)
		result = keep_value(r, path, count, value, from, p);
	key_clear(&key);
	return result < 0 ? NULL : p;
}

int toml_read(struct span text, const char *table, struct toml *ret, struct error *err)
{
	struct reader r = {.text = text.p, .end = text.p + text.len, .wanted = table, .ret = ret, .line = 1};
	const char *p = text.p, *line, *next;

	*ret = (struct toml){0};
	if (text.len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (line = p; line < r.end; line = next) {
		p = toml_skip(line, r.end, false);
		if (p == r.end || *p == '#' || *p == '\n' || *p == '\r')
			next = line_end(p, r.end);
		else
			next = *p == '[' ? read_header(&r, p) : read_pair(&r, p);
		if (!next)
			break;
		for (const char *c = line; (c = memchr(c, '\n', (size_t)(next - c))); c++)
			r.line++;
	}
	key_clear(&r.header);
	if (line < r.end) {
		toml_done(ret);
		return error_set(err, -EINVAL, "line %d is not TOML that can be read here", r.line);
	}
	return 0;
}
