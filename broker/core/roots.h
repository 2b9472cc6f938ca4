/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_ROOTS_H
#define HAWSER_BROKER_CORE_ROOTS_H

#include "base/buf.h"
#include "base/span.h"

/*
 * MCP roots: the folders in which a client works, as one text, a JSON array [{"uri":"file:///...","name":"..."}] that
 * is made here only. It goes into a server's key and to the server as it is. Pure: no folder is looked at, since that
 * may take long, and servers do it themselves.
 */
enum {
	ROOTS_MAX = 64, /* entries */
	ROOTS_URI_MAX = 8192, /* bytes: a path of 4 KiB half of which is escaped */
	ROOTS_NAME_MAX = 256,
	ROOTS_BYTES_MAX = 64 << 10, /* of the text */
};

/* What was not taken of a client's list. */
struct roots_left_out {
	size_t unusable; /* no file:// URI, or one that is too long or has control characters */
	bool more; /* there were more than fit */
};
/* The answer of a client to roots/list. At most ROOTS_MAX entries of it are looked at. -EINVAL: there is no list. */
int roots_read(struct span result, struct buf *out, struct roots_left_out *ret) _must_check_;
/* paths: absolute, NULL-terminated. -E2BIG. */
int roots_of_folders(const char *const *paths, struct buf *out) _must_check_;

#endif
