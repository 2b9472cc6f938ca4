/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_UNIT_POLICY_REDACT_NAIVE_H
#define HAWSER_TESTS_UNIT_POLICY_REDACT_NAIVE_H

#include "policy/redact/redact.h"

/* What redaction means, without any thought of speed or chunks: text of at most 4096 bytes, all secrets shown as "S".
 */
void naive_redact(const struct redact_secret *secrets, size_t count, const char *text, size_t len, struct buf *out);

#endif
