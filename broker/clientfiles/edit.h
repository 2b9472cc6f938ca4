/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLIENTFILES_EDIT_H
#define HAWSER_BROKER_CLIENTFILES_EDIT_H

#include "base/span.h"

/*
 * Changes of a text as splices: what no splice covers stays byte for byte. json_edit_*() plan those of a JSON file with
 * comments; object and array are spans of plain, the blanked twin of text (jsonc.h). Pure.
 */
enum { EDIT_SPLICES_MAX = 4096 };
#define EDIT_LAST SIZE_MAX /* json_edit_insert(): behind the last */

struct edit_splice {
	size_t at, len; /* of the old text */
	char *text; /* what stands there then; owned */
	size_t order; /* of those at one place the earlier comes first */
};
struct edit {
	struct edit_splice *splices;
	size_t count;
};
#define _cleanup_edit_ _cleanup_(edit_done)
void edit_done(struct edit *e);
int edit_splice(struct edit *e, size_t at, size_t len, const char *text) _must_check_;
/* The text with all splices, appended to out. -EINVAL: two of them overlap. */
int edit_apply(struct edit *e, struct span text, struct buf *out) _must_check_;
/* "\r\n" or "\n", as the text has it. */
const char *edit_line_break(struct span text);

struct json_edit {
	struct span text, plain;
	struct edit *edit;
};
/* Takes members out whose key goes() says; instead (count whole members) takes the place of the first of them, or, when
 * none goes, comes in front of all. */
int json_edit_remove(const struct json_edit *j, struct span object, bool (*goes)(void *user, struct span key),
		     void *user, const char *const *instead, size_t count) _must_check_;
/* Puts items (whole members, or elements) in front of number `before` of those that are there, or behind the last. */
int json_edit_insert(const struct json_edit *j, struct span container, size_t before, const char *const *items,
		     size_t count) _must_check_;
int json_edit_remove_element(const struct json_edit *j, struct span array, size_t number) _must_check_;
/* json-back.c: takes the change before -> after back in now, an edited form of after. What the change took away is put
 * back, what it added goes; all other edits stay. Done twice it changes nothing more. */
int json_edit_back(struct span before, struct span after, struct span now, struct buf *out,
		   struct error *err) _must_check_;

#endif
