/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_JOURNAL_FILES_H
#define HAWSER_BROKER_CLI_JOURNAL_FILES_H

#include "base/buf.h"
#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Files as the journal wants them: whole or not at all, and on the disk before the next step. */

/* 0, or a negative errno; -EFBIG: over the buffer's maximum. */
int files_read(const char *path, struct buf *out) _must_check_;
bool files_equal(const struct buf *a, const struct buf *b);
/* A new file of 0600, synced with its folder. */
int files_create(const char *path, const void *data, size_t len, struct error *err) _must_check_;
/* Writes beside the file and renames; the new one has this mode and owner. */
int files_replace(const char *path, const struct buf *text, mode_t mode, uid_t uid, gid_t gid,
		  struct error *err) _must_check_;
/* What a killed files_replace() left beside path. */
void files_remove_temporary(const char *path);
int files_sync_folder(const char *dir, struct error *err) _must_check_;
/* The outermost folder on the way to path that is not there; NULL: all are. On the heap. */
char *files_missing_folder(const char *path);
int files_make_folders(const char *path, struct error *err) _must_check_;
/* The folders of path from the inside out up to outermost, as long as they are empty. */
void files_remove_folders(const char *path, const char *outermost);
void files_each(const char *dir, void (*see)(void *user, const char *name), void *user);
/* A folder of plain files below dir. */
void files_remove_folder(const char *dir, const char *name);

#endif
