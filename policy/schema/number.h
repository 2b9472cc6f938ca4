/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_SCHEMA_NUMBER_H
#define HAWSER_POLICY_SCHEMA_NUMBER_H

#include "base/span.h"

/* Numbers of any size and precision as they are written: compared by their decimal digits, never through a double. */
int number_compare(struct span a, struct span b); /* < 0, 0, > 0 */
bool number_is_integer(struct span n); /* 1.0 and 1e2 are */
/* Exact where both fit into 18 digits at a common scale, else by doubles. */
bool number_is_multiple(struct span n, struct span of);

#endif
