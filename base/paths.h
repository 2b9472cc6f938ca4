/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_PATHS_H
#define HAWSER_BASE_PATHS_H

#include "base/error.h"

#include <limits.h>

/*
 * Where things are, told by the environment: the broker and its thin clients find each other because both ask here.
 * All absolute.
 */
struct paths {
	char state[PATH_MAX]; /* $XDG_STATE_HOME/hawser, else ~/.local/state/hawser */
	char runtime[PATH_MAX]; /* $XDG_RUNTIME_DIR/hawser if that folder is ours, else STATE/run */
	char socket[PATH_MAX]; /* RUNTIME/broker.sock: at most 107 bytes */
	char link[PATH_MAX]; /* STATE/runtime: to the broker's RUNTIME, for who has another XDG_RUNTIME_DIR */
	char linked_socket[PATH_MAX]; /* LINK/broker.sock; both are "" where that is too long */
	char config[PATH_MAX]; /* $XDG_CONFIG_HOME, else ~/.config */
};
int paths_find(struct paths *ret, struct error *err) _must_check_;
/* Makes the state and runtime folders, 0700 and ours. */
int paths_make(const struct paths *p, struct error *err) _must_check_;

/* One of them: with its parents, 0700 and ours. */
int paths_make_folder(const char *path, struct error *err) _must_check_;

/* A binary that belongs to this one ("hawser-guest"): named by the variable (may be NULL) if it is set, else beside the
 * program that runs, in ../libexec/hawser of it, or in subdir of the build tree it was built in. */
int paths_find_helper(const char *variable, const char *name, const char *build_subdir, char ret[PATH_MAX],
		      struct error *err) _must_check_;

#endif
