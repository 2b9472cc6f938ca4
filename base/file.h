/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_FILE_H
#define HAWSER_BASE_FILE_H

#include "base/buf.h"
#include "base/error.h"

#include <sys/types.h>

/* Whole files, there or not there: on the disk, with their folder, when these return. They block. */

struct file_owner {
	mode_t mode;
	uid_t uid;
	/* Root gives both; another gives what it may, and keeps the rest itself: a group that is not the wanted one may
	 * do nothing. Never set-uid or set-gid. */
	gid_t gid;
};
/* A new file of 0600; -EEXIST (a link counts). */
int file_create(const char *path, const void *data, size_t len, struct error *err) _must_check_;
/* Another file in the place of path, so that nobody ever reads half of it: written to temporary (in the same folder;
 * removed first if it is there; NULL: a name beside path that nobody has) and renamed. A link at path is replaced, not
 * followed: whoever wants its target gives that. 0: the new file is there; should its folder not be synced, that is
 * logged, and after a crash the old one may be. */
int file_replace(const char *path, const char *temporary, const struct buf *text, const struct file_owner *owner,
		 struct error *err) _must_check_;
int file_sync_folder(const char *dir, struct error *err) _must_check_;
/* The folder of path into dir, of PATH_MAX bytes. */
void file_folder_of(const char *path, char *dir);

#endif
