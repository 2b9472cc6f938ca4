/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_DIFF_H
#define HAWSER_BROKER_CLI_DIFF_H

#include "base/buf.h"

/* What makes b of a, line by line, on stdout; a_name NULL: it was not there. */
void diff_print(const char *a_name, const struct buf *a, const char *b_name, const struct buf *b);

#endif
