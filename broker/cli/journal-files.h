/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_JOURNAL_FILES_H
#define HAWSER_BROKER_CLI_JOURNAL_FILES_H

#include "base/file.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Files as the journal wants them: whole or not at all, and on the disk before the next step. */

/* 0, or a negative errno; -EFBIG: over the buffer's maximum. */
int files_read(const char *path, struct buf *out) _must_check_;
bool files_equal(const struct buf *a, const struct buf *b);
/* file_replace() by way of a name that is found again. */
int files_replace(const char *path, const struct buf *text, const struct file_owner *owner,
		  struct error *err) _must_check_;
/* What a killed files_replace() left beside path. */
void files_remove_temporary(const char *path);
/* The outermost folder on the way to path that is not there; NULL: all are. On the heap. */
char *files_missing_folder(const char *path);
int files_make_folders(const char *path, struct error *err) _must_check_;
/* The folders of path from the inside out up to outermost, as long as they are empty. */
void files_remove_folders(const char *path, const char *outermost);
void files_each(const char *dir, void (*see)(void *user, const char *name), void *user);
/* A folder of plain files below dir. */
void files_remove_folder(const char *dir, const char *name);

#endif
