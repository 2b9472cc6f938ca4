/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CATALOGUE_H
#define HAWSER_BROKER_CORE_CATALOGUE_H

#include "broker/core/internal.h"

/* The inside of a catalogue, for catalogue.c and toolsearch.c. */

struct schema_entry; /* catalogue.c */

struct catalogue {
	uint64_t generation;
	struct catalogue_tool *tools;
	size_t count;
	struct search_index *index; /* NULL until the first search with a query */
	size_t indexed; /* tools that are in it */
	struct schema_entry *schemas;
};

/* The catalogue of the view as its servers' lists are now; it lives until they change. NULL: no memory. */
struct catalogue *catalogue_fresh(struct view *view);

/* A search that is made in slices. */
struct tool_rows {
	bool found; /* docs is there */
	uint32_t *docs; /* best first */
	size_t at, last;
	uint64_t generation;
};
/* 0: the answer stands in out; -EAGAIN: call again on a later turn; -ESTALE: the lists have changed, begin anew (with
 * empty rows and out); else the error. */
int catalogue_search_step(struct view *view, const struct search_request *request, struct tool_rows *rows,
			  struct buf *out) _must_check_;
void tool_rows_done(struct tool_rows *rows);

#endif
