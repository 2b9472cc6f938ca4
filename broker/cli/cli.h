/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_CLI_H
#define HAWSER_BROKER_CLI_CLI_H

#include "base/error.h"
#include "base/json.h"
#include "base/span.h"

#include <stdio.h>

/* The verbs of the command line, one file each, thin clients of the local door (but audit, which asks no broker). */

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_UNREACHABLE = 3,
	CLI_TIMEOUT = 124, /* as timeout(1) has it */
	CLI_INTERRUPTED = 130,
};
struct cli_status {
	enum cli_exit status;
	const char *means;
};
extern const struct cli_status cli_statuses[]; /* ends with means NULL */

enum { CLI_ALLOW_MAX = 256 };

struct cli_args {
	const struct cli_verb *verb;
	const char *config, *language, *timeout, *args, *logs, *log_format, *eval, *data, *text, *environment, *client;
	bool json, verbose, servers, help, spawned, man, fix_hints, follow, always, dry_run, undo, yes, all, force;
	struct cli_words {
		const char *items[CLI_ALLOW_MAX];
		size_t count;
	} allow, servers_only;
	const struct json_keys *keys; /* of hawser.yaml, for help; NULL: not known */
	char **operands; /* borrowed from argv */
	size_t operand_count;
};

struct cli_verb {
	const char *name;
	const char *operands; /* "[FILE|-]" */
	size_t least, most; /* how many of them */
	const char *options; /* names of its options, a space between; --config, --json and --help are everybody's */
	const char *summary; /* half a line */
	const char *details; /* for `hawser help VERB` */
	int (*run)(const struct cli_args *args); /* returns enum cli_exit; NULL: main() has it (serve) */
};
extern const struct cli_verb cli_verbs[]; /* ends with name NULL */

struct cli_option {
	const char *name;
	char letter; /* 0: none */
	const char *value; /* NULL: a flag */
	size_t offset; /* in struct cli_args: const char *, bool for a flag, struct cli_words if it may be repeated */
	const char *text;
};
extern const struct cli_option cli_options[]; /* ends with name NULL */
/* What its value may be, a space between; NULL: anything. */
const char *cli_choices(const struct cli_option *option);
bool cli_is_repeated(const struct cli_option *option);

/* Does the verb take the option? Those that every verb takes are common. */
bool cli_takes(const struct cli_verb *verb, const char *option);
bool cli_is_common(const char *option);

/* argv without the program's name. Pure but for borrowing from argv, whose order it changes. */
int cli_parse(int argc, char **argv, struct cli_args *ret, struct error *err) _must_check_;
/* "500ms", "30s", "5m", "1h" to milliseconds. A number without a unit is an error: nobody agrees on which it is. */
int cli_parse_duration(const char *text, int64_t *ret_ms, struct error *err) _must_check_;
/* Parses, runs the verb, says what is wrong. serve: what `hawser serve` does. keys: what may stand in hawser.yaml. */
int cli_main(int argc, char **argv, int (*serve)(const struct cli_args *args), const struct json_keys *keys);

/* One a verb. */
int cli_run(const struct cli_args *args);
int cli_ps(const struct cli_args *args);
int cli_follow(const struct cli_args *args);
int cli_kill(const struct cli_args *args);
int cli_sandboxes(const struct cli_args *args);
int cli_state(const struct cli_args *args);
int cli_tools(const struct cli_args *args);
int cli_call(const struct cli_args *args);
int cli_mcp(const struct cli_args *args);
int cli_config(const struct cli_args *args);
int cli_init(const struct cli_args *args);
int cli_doctor(const struct cli_args *args);
int cli_doctor_hints(const struct cli_args *args);
int cli_audit(const struct cli_args *args);
int cli_trust(const struct cli_args *args);
int cli_stop(const struct cli_args *args);
int cli_completion(const struct cli_args *args);
int cli_approvals(const struct cli_args *args);
int cli_approve(const struct cli_args *args);
int cli_refuse(const struct cli_args *args);
int cli_policy(const struct cli_args *args);
int cli_version(const struct cli_args *args);
int cli_help(const struct cli_args *args);
void cli_help_verb(const struct cli_verb *verb, const struct json_keys *keys);
void cli_print_man(const struct json_keys *keys);
/* What a key's text does not say: its range and what it is when it is absent; "": nothing. */
void cli_key_range(const struct json_field *key, char text[96]);

/* ---- output ---- */
enum cli_colour { CLI_PLAIN, CLI_GOOD, CLI_BAD, CLI_DIM };
/* What turns to the colour on this stream: empty where it is no terminal that wants colours (NO_COLOR, TERM=dumb). */
const char *cli_colour(FILE *stream, enum cli_colour colour);
/* "hawser: text" on stderr; returns code. */
int cli_say(int code, const char *fmt, ...) _printf_(2, 3);
/* Is somebody at a terminal who can answer? */
bool cli_can_ask(void);
/* Yes or no, on the terminal. */
bool cli_ask(const char *question);
void cli_print_span(struct span text); /* on stdout, with a line break */
/* A JSON string decoded, anything else as it is written. */
void cli_print_value(struct span value);
/* Members of an object as text on the heap; NULL: absent. */
char *cli_member(struct span object, const char *name);
/* In place: characters that are not seen, or command a terminal, become '?' (base/visible.h). For words of servers, of
 * projects and of code, which may lie. */
char *cli_clean(char *text);
/* The same, and line breaks too: what a server says in one line shall not look like several. */
char *cli_line(char *text);

#endif
