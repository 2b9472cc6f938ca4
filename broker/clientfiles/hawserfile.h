/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLIENTFILES_HAWSERFILE_H
#define HAWSER_BROKER_CLIENTFILES_HAWSERFILE_H

#include "base/json.h"
#include "base/span.h"

/*
 * Adding to hawser.yaml or hawser.json, or taking a rule out, without touching what else stands there. Pure: text in,
 * text out. YAML is edited by its lines; a layout that is not understood is an error, and whoever writes the file lets
 * the broker read the new text first.
 */
struct hawserfile_server {
	const char *name;
	json_t *value;
	const char *from; /* a comment, one line */
};
struct hawserfile_rule {
	const char *verdict, *glob;
	const char *from; /* file of the project whose server it is; NULL: the user's own */
};
/* {"allow": "a.b"}, and what else the rule says. New reference. */
json_t *hawserfile_rule_json(const struct hawserfile_rule *rule);
struct hawserfile_addition {
	const struct hawserfile_server *servers;
	size_t server_count;
	/* deny and ask come in front of the rules that are there, allow behind them. */
	const struct hawserfile_rule *rules;
	size_t rule_count;
	/* One rule more, in front of number `above` of those that are there; behind all if there is no such. */
	const struct hawserfile_rule *rule; /* NULL: none */
	size_t above;
};
/* text of length 0: a new file. */
int hawserfile_add(struct span text, bool yaml, const struct hawserfile_addition *addition, struct buf *out,
		   struct error *err) _must_check_;
/* Takes rule `number` out. -ENOENT: there is no such. */
int hawserfile_remove_rule(struct span text, bool yaml, size_t number, struct buf *out, struct error *err) _must_check_;

/* hawserfile-yaml.c */
struct edit;
int hawserfile_add_yaml(struct span text, const struct hawserfile_addition *addition, struct edit *edit,
			struct error *err) _must_check_;
int hawserfile_remove_rule_yaml(struct span text, size_t number, struct edit *edit, struct error *err) _must_check_;

#endif
