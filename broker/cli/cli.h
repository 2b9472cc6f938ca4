/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_CLI_H
#define HAWSER_BROKER_CLI_CLI_H

#include "base/error.h"
#include "base/json.h"
#include "base/span.h"

/* The verbs of the command line, one file each, thin clients of the local door (but audit, which asks no broker). */

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1, /* the run, the tool or a check failed */
	CLI_USAGE = 2, /* the command line or the configuration is wrong */
	CLI_UNREACHABLE = 3, /* the broker could not be started or was lost */
	CLI_TIMEOUT = 124, /* the run was ended by its deadline, as timeout(1) says it */
	CLI_INTERRUPTED = 130,
};

enum { CLI_ALLOW_MAX = 256 };

struct cli_args {
	const struct cli_verb *verb;
	const char *config, *language, *timeout, *args, *logs, *log_format, *client;
	bool json, verbose, servers, help, spawned, dry_run, undo, yes, all, force;
	const char *allow[CLI_ALLOW_MAX];
	size_t allow_count;
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
	size_t offset; /* in struct cli_args: const char *, or bool for a flag */
	const char *text;
};
extern const struct cli_option cli_options[]; /* ends with name NULL */

/* argv without the program's name. Pure but for borrowing from argv, whose order it changes. */
int cli_parse(int argc, char **argv, struct cli_args *ret, struct error *err) _must_check_;
/* "500", "500ms", "30s", "5m": milliseconds. */
int cli_parse_duration(const char *text, int64_t *ret_ms, struct error *err) _must_check_;
/* Parses, runs the verb, says what is wrong. serve: what `hawser serve` does. */
int cli_main(int argc, char **argv, int (*serve)(const struct cli_args *args));

/* One a verb. */
int cli_run(const struct cli_args *args);
int cli_tools(const struct cli_args *args);
int cli_call(const struct cli_args *args);
int cli_mcp(const struct cli_args *args);
int cli_config(const struct cli_args *args);
int cli_init(const struct cli_args *args);
int cli_doctor(const struct cli_args *args);
int cli_audit(const struct cli_args *args);
int cli_trust(const struct cli_args *args);
int cli_stop(const struct cli_args *args);
int cli_version(const struct cli_args *args);
int cli_help(const struct cli_args *args);
void cli_help_verb(const struct cli_verb *verb);

/* ---- output ---- */
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
/* In place: characters that command a terminal become '?'. For words of servers and of code, which may lie. */
char *cli_clean(char *text);

#endif
