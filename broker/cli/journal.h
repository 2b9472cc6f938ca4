/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_JOURNAL_H
#define HAWSER_BROKER_CLI_JOURNAL_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Changes several files of a person so that all of it can be taken back, also after a crash at any point.
 *
 *   STATE/init/N.new   copies of each file before and after, and the list: synced
 *   STATE/init/N       renamed: from here on undo knows of it; only then the files are changed, each by a rename
 *   STATE/init/N/done  all of them are changed
 *   STATE/init/N.gone  taken back, or never begun: being removed
 *
 * Undo looks at each file: as before: nothing to do; as after: the copy is put back; anything else: somebody edited it.
 * A JSON file that was edited (Claude Code writes to its own at every start) keeps its edits: only what init took away
 * and added is taken back in it.
 */
enum { JOURNAL_FILES_MAX = 64, JOURNAL_FILE_MAX = 17 * 1024 * 1024 };

struct journal_change {
	char *path; /* no symbolic link */
	bool there; /* before */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct buf before, after;
};
struct journal_changes {
	struct journal_change items[JOURNAL_FILES_MAX];
	size_t count;
};
void journal_changes_done(struct journal_changes *changes);

/* The number of the change that undo would take back; 0: there is none. *ret_done: it was made to its end. */
int journal_newest(const char *state_dir, bool *ret_done, struct error *err) _must_check_;
/* Makes the changes. Folders of new files are made, too. -EBUSY: a file is not what it was when it was read. */
int journal_write(const char *state_dir, const struct journal_changes *changes, struct error *err) _must_check_;
enum journal_fate {
	JOURNAL_RESTORED, /* byte for byte */
	JOURNAL_EDITED, /* neither as before nor as after: it stands in the way */
	JOURNAL_MENDED, /* edited, and only the change was taken back */
	JOURNAL_OVERWRITTEN, /* edited, and restored all the same; what was edited is kept in the journal */
};
typedef void journal_told_fn(void *user, const char *path, enum journal_fate fate);
/* Takes the newest change back; told hears of each file. When one that was edited cannot be mended nothing is put back,
 * and the answer is -ESTALE. force: edited files are restored byte for byte. dry: told hears what would be done, and no
 * file is changed. */
int journal_undo(const char *state_dir, bool force, bool dry, journal_told_fn *told, void *user,
		 struct error *err) _must_check_;

#endif
