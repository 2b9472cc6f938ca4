/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_MCP_PARKED_H
#define HAWSER_BROKER_DOORS_MCP_PARKED_H

#include "base/span.h"

/* Lines that wait, oldest first, each beside its id, so that nothing but the end of the wait reads one again. Starts as
 * zero. */
enum {
	PARKED_LINES_MAX = 64,
	PARKED_BYTES_MAX = 16 * 1024 * 1024, /* of all lines: whoever makes them wait need not send anything more */
};

struct parked_line {
	char *text, *id; /* NUL-terminated copies */
	size_t len;
};
struct parked {
	struct parked_line *lines;
	size_t count, bytes;
};

/* False: over the maxima, or no memory. */
bool parked_add(struct parked *p, struct span id, struct span line) _must_check_;
/* The oldest with this id goes. False: there is none. */
bool parked_remove(struct parked *p, struct span id) _must_check_;
void parked_done(struct parked *p);

#endif
