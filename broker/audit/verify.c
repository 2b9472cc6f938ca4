/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/audit/audit.h"

#include "broker/audit/chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void close_filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

int audit_verify(const char *path, struct audit_summary *ret, struct error *err)
{
	_cleanup_(close_filep) FILE *f = fopen(path, "re");
	struct audit_hasher *hasher;
	char line[AUDIT_LINE_MAX + 2];
	const char *fault = NULL;

	if (!f)
		return error_set_errno(err, -errno, "opening the audit log %s", path);
	hasher = audit_hasher_new();
	if (!hasher)
		return error_set(err, -ENOMEM, "no memory for the audit log");
	*ret = (struct audit_summary){.last = AUDIT_FIRST};
	while (!fault && fgets(line, sizeof(line), f)) {
		size_t n = strlen(line);

		ret->lines++;
		fault = n && line[n - 1] == '\n' ? audit_line_fault(hasher, span_of(line, n - 1), ret->last, ret->last)
						 : "has no end";
	}
	audit_hasher_free(hasher);
	if (fault)
		return error_set(err, -EBADMSG, "%s:%llu: the line %s", path, (unsigned long long)ret->lines, fault);
	return ferror(f) ? error_set(err, -EIO, "reading the audit log %s", path) : 0;
}
