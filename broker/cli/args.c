/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/cli.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct cli_args, member)
const struct cli_option cli_options[] = {
	{"config", 0, "FILE", AT(config), "configuration to use instead of the one in $XDG_CONFIG_HOME/hawser"},
	{"json", 0, NULL, AT(json), "one JSON value on stdout, for programs"},
	{"help", 'h', NULL, AT(help), "say what the verb does"},
	{"eval", 'e', "CODE", AT(eval), "the code itself, instead of a file"},
	{"language", 'l', "NAME", AT(language),
	 "javascript, typescript, python or bash; else told by the file's name or first line, else javascript"},
	{"data", 'd', "JSON", AT(data), "what the code sees as `data`: a JSON value, @FILE with one, or - for stdin"},
	{"text", 0, "TEXT", AT(text), "the same as a string, as it is: the text, @FILE, or - for stdin"},
	{"environment", 0, "NAME", AT(environment), "packages to run with: one of the configuration's environments"},
	{"timeout", 't', "TIME", AT(timeout), "wall time of the run: 500ms, 30s, 5m"},
	{"allow", 'a', "GLOB", AT(allow),
	 "only these tools may be called, for instance 'github.list_*'; may be repeated"},
	{"tool-choice", 0, "GLOB", AT(servers_only),
	 "only tools of these servers may be called, for instance 'git*'; may be repeated"},
	{"verbose", 'v', NULL, AT(verbose), "say what the sandbox is doing, and what was called"},
	{"servers", 's', NULL, AT(servers), "list the servers and how they are"},
	{"follow", 'f', NULL, AT(follow), "stay: be there to be asked, and show each question as it comes"},
	{"always", 0, NULL, AT(always), "and write the rule that allows this tool into the configuration"},
	{"logs", 0, "SERVER", AT(logs), "print the end of a server's log"},
	{"fix-hints", 0, NULL, AT(fix_hints), "look for venvs, conda prefixes and node_modules worth a name, instead"},
	{"man", 0, NULL, AT(man), "print the manual page, for man -l -"},
	{"args", 0, "JSON", AT(args), "arguments, or the fields of a form, as a JSON object"},
	{"dry-run", 'n', NULL, AT(dry_run), "show what would be done, and change nothing"},
	{"undo", 0, NULL, AT(undo), "take back: what the last init changed; the yes of trust"},
	{"client", 'c', "NAME", AT(client),
	 "only this client: claude-code, claude-desktop, cursor, vscode, codex; or project, the files of this folder"},
	{"yes", 'y', NULL, AT(yes), "do not ask"},
	{"all", 0, NULL, AT(all), "move servers also that have what Hawser does not carry yet, or that do not start"},
	{"force", 0, NULL, AT(force), "with --undo: put files back that were edited since"},
	{"spawned", 0, NULL, AT(spawned), "started by a thin client: leave after ten idle minutes"},
	{"log-format", 0, "NAME", AT(log_format), "logfmt or json"},
	{NULL, 0, NULL, 0, NULL},
};

const char *cli_choices(const struct cli_option *option)
{
	static const struct {
		const char *option, *choices;
	} all[] = {{"language", "javascript typescript python bash"}, {"log-format", "logfmt json"}};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i].option, option->name) == 0)
			return all[i].choices;
	return NULL;
}

bool cli_is_repeated(const struct cli_option *option)
{
	return option->offset == AT(allow) || option->offset == AT(servers_only);
}

static bool in_list(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; p && *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == n && strncmp(p, name, n) == 0)
			return true;
	return false;
}

bool cli_is_common(const char *option)
{
	return in_list("config json help", option);
}

bool cli_takes(const struct cli_verb *verb, const char *option)
{
	return cli_is_common(option) || in_list(verb->options, option);
}

static int unknown_verb(const char *name, struct error *err)
{
	const char *names[32], *near;
	size_t n = 0;

	for (; cli_verbs[n].name && n + 1 < ARRAY_SIZE(names); n++)
		names[n] = cli_verbs[n].name;
	names[n] = NULL;
	if (name[0] == '-')
		return error_set(err, -EINVAL, "the verb comes first: hawser VERB %.40s; hawser help lists them", name);
	near = json_nearest(name, names);
	return error_set(err, -EINVAL, "there is no verb %.40s; %s%s%s", name,
			 near ? "did you mean " : "hawser help lists them", near ? near : "", near ? "?" : "");
}

static int unknown_option(const struct cli_verb *verb, const char *name, struct error *err)
{
	const char *names[32], *near;
	size_t n = 0;

	for (size_t i = 0; cli_options[i].name && n + 1 < ARRAY_SIZE(names); i++)
		if (cli_takes(verb, cli_options[i].name))
			names[n++] = cli_options[i].name;
	names[n] = NULL;
	near = json_nearest(name + strspn(name, "-"), names);
	return error_set(err, -EINVAL, "hawser %s takes no option %.40s; %s%s%s%s", verb->name, name,
			 near ? "did you mean --" : "see hawser help ", near ? near : verb->name, near ? "?" : "", "");
}

static int set_option(struct cli_args *a, const struct cli_option *o, const char *value, struct error *err)
{
	void *at = (char *)a + o->offset;

	if (!o->value) {
		*(bool *)at = true;
	} else if (cli_is_repeated(o)) {
		struct cli_words *words = at;

		if (words->count >= CLI_ALLOW_MAX)
			return error_set(err, -E2BIG, "--%s more than %d times", o->name, CLI_ALLOW_MAX);
		words->items[words->count++] = value;
	} else {
		*(const char **)at = value;
	}
	return 0;
}

static const struct cli_option *find_option(const struct cli_verb *verb, const char *arg, size_t len, bool is_long)
{
	for (size_t i = 0; cli_options[i].name; i++) {
		const struct cli_option *o = &cli_options[i];
		bool hit = is_long ? strlen(o->name) == len && strncmp(o->name, arg, len) == 0 : o->letter == arg[0];

		if (hit && cli_takes(verb, o->name))
			return o;
	}
	return NULL;
}

/* argv[*i] begins with -; moves *i over a value in the next word. */
static int parse_option(int argc, char **argv, int *i, struct cli_args *a, struct error *err)
{
	char *arg = argv[*i], *equals = strchr(arg, '=');
	bool is_long = arg[1] == '-';
	size_t len = is_long ? (equals ? (size_t)(equals - arg - 2) : strlen(arg + 2)) : 1;
	const struct cli_option *o = find_option(a->verb, arg + (is_long ? 2 : 1), len, is_long);
	const char *value = NULL;

	if (!o)
		return unknown_option(a->verb, arg, err);
	if (!is_long && arg[2])
		value = arg + 2;
	else if (is_long && equals)
		value = equals + 1;
	if (!o->value && value)
		return error_set(err, -EINVAL, "--%s takes no value", o->name);
	if (o->value && !value) {
		if (*i + 1 >= argc)
			return error_set(err, -EINVAL, "--%s wants %s", o->name, o->value);
		value = argv[++*i];
	}
	return set_option(a, o, value, err);
}

static const struct cli_verb *find_verb(const char *name)
{
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0)
		name = "version";
	for (size_t i = 0; cli_verbs[i].name; i++)
		if (strcmp(cli_verbs[i].name, name) == 0)
			return &cli_verbs[i];
	return NULL;
}

int cli_parse(int argc, char **argv, struct cli_args *ret, struct error *err)
{
	struct cli_args a = {.operands = argv};
	bool only_operands = false;

	a.verb = argc > 0 ? find_verb(argv[0]) : find_verb("help");
	if (!a.verb)
		return unknown_verb(argv[0], err);
	for (int i = 1; i < argc; i++) {
		if (!only_operands && strcmp(argv[i], "--") == 0) {
			only_operands = true;
		} else if (!only_operands && argv[i][0] == '-' && argv[i][1]) {
			int r = parse_option(argc, argv, &i, &a, err);

			if (r < 0)
				return r;
		} else {
			argv[a.operand_count++] = argv[i];
		}
	}
	if (!a.help && (a.operand_count < a.verb->least || a.operand_count > a.verb->most))
		return error_set(err, -EINVAL, "hawser %s%s%s: %s; see hawser help %s", a.verb->name,
				 *a.verb->operands ? " " : "", a.verb->operands,
				 a.operand_count > a.verb->most ? "too many words" : "something is missing",
				 a.verb->name);
	*ret = a;
	return 0;
}

int cli_parse_duration(const char *text, int64_t *ret_ms, struct error *err)
{
	static const struct {
		const char *unit;
		int64_t factor;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}};
	char *end;
	int64_t n;

	errno = 0;
	n = strtoll(text, &end, 10);
	for (size_t i = 0; i < ARRAY_SIZE(units) && !errno && end != text && n > 0; i++)
		if (strcmp(end, units[i].unit) == 0 && !__builtin_mul_overflow(n, units[i].factor, ret_ms))
			return 0;
	if (!errno && end != text && n > 0 && !*end)
		return error_set(err, -EINVAL, "the time %.20s has no unit; write %.20ss or %.20sms", text, text, text);
	return error_set(err, -EINVAL, "%.40s is no time; write 500ms, 30s or 5m", text);
}
