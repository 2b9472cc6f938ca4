/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CONFIG_RULE_H
#define HAWSER_BROKER_CORE_CONFIG_RULE_H

#include "base/span.h"

#include <stdbool.h>

/*
 * One rule `allow: NAME` put into the operator's file, or taken out of it again, and nothing else of it touched:
 * comments, order and spelling stay. What was written is read again and must be the file of before with this one
 * change; otherwise the file is left alone and the error says what to write by hand.
 */

struct config_rule {
	const char *name; /* of allow: NAME */
	const char *from; /* file of the project whose server it is; NULL: the user's own */
	size_t above; /* number of the rule that it must stand above; 0 where none matched (any place is good) */
};
/* Can a rule name this tool and no other? */
bool config_rule_can_name(const char *server, const char *tool, const char *from);
int config_rule_add(const char *path, const struct config_rule *rule, struct error *err) _must_check_;
/* Takes out the rule that allows exactly this name: that of the user's own servers, else that of rule->from, else the
 * only one of a project. -ENOENT: there is none; -EEXIST: there are several. */
int config_rule_remove(const char *path, const struct config_rule *rule, struct error *err) _must_check_;

/* The change of a text, pure: 0, -ENOENT and -EEXIST (as above), -ENOTSUP (must be done by hand). */
int config_rule_edit(bool json, bool add, struct span text, const struct config_rule *rule,
		     struct buf *out) _must_check_;

#endif
