/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_INIT_H
#define HAWSER_BROKER_CLI_INIT_H

#include "base/paths.h"
#include "broker/cli/cli.h"
#include "broker/cli/journal.h"
#include "broker/clientfiles/clientfiles.h"
#include "broker/clientfiles/hawserfile.h"

/*
 * hawser init:
 *
 *   clients' files -> items (init-plan.c: names, who wins) -> probe (init-probe.c: each started once) -> rules
 *   (init-rules.c) -> new texts (init-changes.c) -> diff -> one question -> journal
 */
enum { INIT_ITEMS_MAX = 1024, INIT_RULES_MAX = 512 };

enum init_fate {
	INIT_MOVES,
	INIT_SAME, /* as another that moves, or as one of hawser.yaml: its entry goes, nothing is added */
	INIT_STAYS,
};
struct init_item {
	const struct clientfile_section *section;
	struct clientfile_entry *entry;
	enum init_fate fate;
	char *name; /* behind Hawser */
	char *why; /* of its fate, or of its name */
	const struct init_item *twin; /* of INIT_SAME; NULL: hawser.yaml has it */
	int64_t tools, allowed, asked, denied; /* -1: not known */
};
struct init {
	const struct cli_args *args;
	struct clientfile_where where;
	char state[PATH_MAX], program[PATH_MAX];
	struct clientfiles files;
	json_t *present; /* effective configuration that is there */
	char *hawser_path; /* hawser.yaml or hawser.json, there or to be made */
	struct init_item *items;
	size_t item_count;
	struct hawserfile_rule rules[INIT_RULES_MAX]; /* globs are owned */
	size_t rule_count;
	struct json_strings notes; /* owned lines */
	struct journal_changes changes;
};
int init_note(struct init *in, const char *fmt, ...) _printf_(2, 3);
/* "Cursor, user" */
void init_place_name(const struct clientfile_place *place, char *text, size_t size);
void init_set_why(struct init_item *item, const char *fmt, ...) _printf_(2, 3);
/* Is it an entry of Hawser itself? Such are no items. */
bool init_is_self(const struct clientfile_entry *entry);

/* init-plan.c */
int init_plan(struct init *in, struct error *err) _must_check_;
/* Those that are the same as one that stays stay with it. */
void init_settle(struct init *in);

/* init-probe.c: CLI_OK or the status to leave with, after saying why. */
int init_read_present(struct init *in);
int init_probe(struct init *in);
/* Would the broker read this text as its configuration? */
int init_check_text(struct init *in, const struct buf *text, bool yaml);
/* What a killed init_check_text() left beside the file. */
void init_remove_check(const char *hawser_path);

/* init-inputs.c: asks for inputs of VS Code on a terminal; the values go into the environment of this process. */
void init_ask_inputs(const struct init *in);

/* init-roots.c: asks: the probe saw it ask for the roots of its client. */
void init_take_roots(struct init_item *item, bool asks);

/* init-rules.c */
int init_take_rules(struct init *in, struct error *err) _must_check_;

/* init-changes.c */
int init_make_changes(struct init *in, struct error *err) _must_check_;

#endif
