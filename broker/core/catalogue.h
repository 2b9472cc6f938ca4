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
	struct schema_entry *schemas;
};

/* The catalogue of the view as its servers' lists are now; it lives until they change. NULL: no memory. */
struct catalogue *catalogue_fresh(struct view *view);

#endif
