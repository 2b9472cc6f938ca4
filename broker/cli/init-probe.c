/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker says of the servers that would move. They are offered to it as an included file of a configuration
 * that lasts as long as this probe: there a server that it cannot use is a note, and the others stay.
 */
#include "broker/cli/client.h"
#include "broker/cli/init.h"
#include "broker/cli/journal-files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ANSWER_MAX = 64 * 1024 * 1024 };

struct probe {
	struct init *in;
	char dir[PATH_MAX], main_file[PATH_MAX], servers_file[PATH_MAX];
	struct init_item **items; /* by line - 2 of servers_file */
	size_t count;
};

static int ask_json(struct wire *w, const char *method, const char *params, json_t **ret)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span answer;
	int status = wire_ask(w, method, span_of(params, strlen(params)), NULL, NULL, &answer);

	if (status == CLI_OK && json_parse(answer.p, answer.len, ret, &err) < 0)
		return cli_say(CLI_FAILED, "%s: %s", method, error_text(&err));
	return status;
}

int init_read_present(struct init *in)
{
	struct wire w;
	const char *path;
	int status = wire_open_or_say(in->args, true, &w);

	if (status != CLI_OK)
		return status;
	status = ask_json(&w, "config.show", "{}", &in->present);
	wire_close(&w);
	if (status != CLI_OK)
		return status;
	path = json_string_value(json_object_get(in->present, "path"));
	if (path)
		in->hawser_path = realpath(path, NULL);
	else if (asprintf(&in->hawser_path, "%s/hawser/hawser.yaml", in->where.config_home) < 0)
		in->hawser_path = NULL;
	return in->hawser_path ? CLI_OK : cli_say(CLI_FAILED, "%s cannot be found", path ? path : "hawser.yaml");
}

/* ---- the configuration of the probe ---- */

static int write_file(const char *path, const struct buf *text, struct error *err)
{
	unlink(path);
	return file_create(path, buf_head(text), text->len, err);
}

/* Where its client tells its folders to servers, the probe does so too, and sees which of them ask. */
static char *server_text(const struct init_item *item)
{
	json_auto_t *server = json_copy(item->entry->server);

	if (item->section->place->roots)
		json_object_set_new(server, "roots", json_string("client"));
	return json_dumps(server, JSON_COMPACT);
}

/* One server a line, so that a note's line says whose it is. */
static int write_servers(struct probe *p, struct error *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(ANSWER_MAX);
	int r = buf_append_str(&out, "{\"mcpServers\":{");

	for (size_t i = 0; r == 0 && i < p->in->item_count; i++) {
		struct init_item *item = &p->in->items[i];
		char *text = item->fate == INIT_MOVES ? server_text(item) : NULL;

		if (!text)
			continue;
		r = buf_append_str(&out, p->count ? ",\n" : "\n");
		if (r == 0)
			r = buf_append_json(&out, item->name, strlen(item->name));
		if (r == 0)
			r = buf_printf(&out, ":%s", text);
		free(text);
		p->items[p->count++] = item;
	}
	if (r == 0)
		r = buf_append_str(&out, "\n}}\n");
	return r < 0 ? error_set(err, r, "the servers are too large") : write_file(p->servers_file, &out, err);
}

static int write_main(const struct probe *p, struct error *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(ANSWER_MAX);
	json_auto_t *main_file = json_pack("{s:[s], s:{s:[]}}", "include", "servers.json", "policy", "rules");
	json_t *rules = json_object_get(json_object_get(main_file, "policy"), "rules");

	for (size_t i = 0; i < p->in->rule_count; i++)
		json_array_append_new(rules, json_pack("{s:s}", p->in->rules[i].verdict, p->in->rules[i].glob));
	if (!main_file || json_print(&out, main_file) < 0)
		return error_set(err, -EINVAL, "the rules are too large");
	return write_file(p->main_file, &out, err);
}

static int make_probe_dir(const struct init *in, char dir[PATH_MAX], struct error *err)
{
	snprintf(dir, PATH_MAX, "%.4000s/init", in->state);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "making %s", dir);
	snprintf(dir, PATH_MAX, "%.4000s/init/probe-%d", in->state, (int)getpid());
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? error_set_errno(err, -errno, "making %s", dir) : 0;
}

static void remove_probe_dir(const struct init *in)
{
	char dir[PATH_MAX], name[32];

	snprintf(dir, sizeof(dir), "%.4000s/init", in->state);
	snprintf(name, sizeof(name), "probe-%d", (int)getpid());
	files_remove_folder(dir, name);
}

/* ---- answers ---- */

static void stay(struct init *in, struct init_item *item, const char *why)
{
	if (in->args->all) {
		init_set_why(item, "moves all the same (--all): %s", why);
		return;
	}
	item->fate = INIT_STAYS;
	init_set_why(item, "%s", why);
}

/* The file of the probe is nothing that a person knows. */
static const char *without_place(const struct probe *p, const char *problem)
{
	size_t n = strlen(p->servers_file);
	const char *what = strncmp(problem, p->servers_file, n) == 0 ? strstr(problem + n, ": ") : NULL;

	return what ? what + 2 : problem;
}

/* What the configuration does not know stays, also with --all: there would be nothing behind Hawser. */
static void take_config(const struct probe *p, const json_t *shown)
{
	const json_t *known = json_object_get(shown, "mcpServers"), *note;
	size_t n = strlen(p->servers_file), i;

	for (i = 0; i < p->count; i++)
		if (!json_object_get(known, p->items[i]->name)) {
			p->items[i]->fate = INIT_STAYS;
			init_set_why(p->items[i], "Hawser cannot use it");
		}
	json_array_foreach (json_object_get(shown, "notes"), i, note) {
		const char *text = json_string_value(note), *what;
		unsigned long line;
		char *end;

		if (!text || strncmp(text, p->servers_file, n) != 0 || text[n] != ':')
			continue;
		line = strtoul(text + n + 1, &end, 10);
		what = strncmp(end, ": ", 2) == 0 ? end + 2 : end;
		if (line >= 2 && line - 2 < p->count && p->items[line - 2]->fate == INIT_STAYS)
			init_set_why(p->items[line - 2], "%s", what);
	}
}

static int64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
}

static void take_server(const struct probe *p, struct init_item *item, const json_t *server)
{
	const char *problem = json_string_value(json_object_get(server, "problem"));
	const json_t *offers = json_object_get(server, "offers"), *verdicts = json_object_get(server, "verdicts"), *one;
	char list[256] = "", why[512];
	size_t i, len = 0;

	init_take_roots(item, json_is_true(json_object_get(server, "asks_roots")));
	item->tools = number(server, "tools");
	item->allowed = number(verdicts, "allow");
	item->asked = number(verdicts, "ask");
	item->denied = number(verdicts, "deny");
	json_array_foreach (offers, i, one)
		if (len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
						i == 0                             ? ""
						: i + 1 == json_array_size(offers) ? " and "
										   : ", ",
						json_string_value(one));
	if (problem && *problem) {
		item->tools = -1;
		stay(p->in, item, without_place(p, problem));
	} else if (len > 0) {
		snprintf(why, sizeof(why), "it has %s, which Hawser does not carry yet%s", list,
			 p->in->args->all ? "" : "; --all moves it without them");
		stay(p->in, item, why);
	}
}

static void take_servers(const struct probe *p, const json_t *servers)
{
	const json_t *server;
	size_t at;

	json_array_foreach (servers, at, server) {
		const char *name = json_string_value(json_object_get(server, "name"));

		for (size_t i = 0; name && i < p->count; i++)
			if (p->items[i]->fate == INIT_MOVES && strcmp(p->items[i]->name, name) == 0)
				take_server(p, p->items[i], server);
	}
}

static int ask_broker(const struct probe *p)
{
	json_auto_t *shown = NULL, *found = NULL, *servers = NULL;
	struct cli_args args = *p->in->args;
	struct wire w;
	int status;

	args.config = p->main_file;
	status = wire_open_or_say(&args, true, &w);
	if (status != CLI_OK)
		return status;
	status = ask_json(&w, "config.show", "{}", &shown);
	if (status == CLI_OK)
		take_config(p, shown);
	if (status == CLI_OK) /* a search starts what was never started */
		status =
			ask_json(&w, "tools.search", "{\"query\":\"\",\"detail_level\":\"names\",\"limit\":1}", &found);
	if (status == CLI_OK)
		status = ask_json(&w, "tools.servers", "{}", &servers);
	if (status == CLI_OK)
		take_servers(p, servers);
	wire_close(&w);
	return status;
}

int init_probe(struct init *in)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct probe p = {.in = in, .items = calloc(in->item_count + 1, sizeof(*p.items))};
	int status = CLI_OK;

	if (!p.items || make_probe_dir(in, p.dir, &err) < 0)
		status = cli_say(CLI_FAILED, "%s", err.code ? error_text(&err) : "no memory");
	snprintf(p.main_file, sizeof(p.main_file), "%.4000s/hawser.json", p.dir);
	snprintf(p.servers_file, sizeof(p.servers_file), "%.4000s/servers.json", p.dir);
	if (status == CLI_OK && (write_servers(&p, &err) < 0 || write_main(&p, &err) < 0))
		status = cli_say(CLI_FAILED, "%s", error_text(&err));
	if (status == CLI_OK && p.count > 0) {
		if (isatty(2))
			fprintf(stderr, "starting %zu server%s once ...\n", p.count, p.count == 1 ? "" : "s");
		status = ask_broker(&p);
	}
	remove_probe_dir(in);
	free(p.items);
	return status;
}

void init_remove_check(const char *hawser_path)
{
	static const char *const names[] = {".check.yaml", ".check.json"};
	const char *slash = strrchr(hawser_path, '/');
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names) && slash; i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - hawser_path), hawser_path, names[i]);
		unlink(path);
	}
}

int init_check_text(struct init *in, const struct buf *text, bool yaml)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct cli_args args = *in->args;
	char dir[PATH_MAX], path[PATH_MAX];
	bool there = access(in->hawser_path, F_OK) == 0;
	struct wire w;
	int status = CLI_OK;

	if (make_probe_dir(in, dir, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	/* Beside the real one when there is one: what it includes is relative to it. */
	if (there)
		snprintf(path, sizeof(path), "%.*s/.check%s", (int)(strrchr(in->hawser_path, '/') - in->hawser_path),
			 in->hawser_path, yaml ? ".yaml" : ".json");
	else
		snprintf(path, sizeof(path), "%.4000s/hawser.yaml", dir);
	if (write_file(path, text, &err) < 0)
		status = cli_say(CLI_FAILED, "%s", error_text(&err));
	args.config = path;
	if (status == CLI_OK && wire_open(&args, true, &w, &err) < 0) {
		status = cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
	} else if (status == CLI_OK) {
		if (w.fault)
			status = cli_say(CLI_FAILED, "%s cannot be added to; nothing was changed\n%s", in->hawser_path,
					 w.fault);
		wire_close(&w);
	}
	unlink(path);
	remove_probe_dir(in);
	return status;
}
