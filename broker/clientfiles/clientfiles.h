/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLIENTFILES_CLIENTFILES_H
#define HAWSER_BROKER_CLIENTFILES_CLIENTFILES_H

#include "base/json.h"
#include "base/span.h"
#include "broker/clientfiles/toml.h"

#include <sys/types.h>

/*
 * The files in which MCP clients keep their servers: where they are (a table), and what is in them, whatever the
 * client, as one kind of entry with Hawser's own keys.
 */
enum { CLIENTFILE_MAX = 16 * 1024 * 1024, CLIENTFILE_ENTRIES_MAX = 256, CLIENTFILE_NAME_MAX = 64 };

/* Of two servers of one name that of the earlier scope wins, as in Claude Code, whichever their clients; then that of
 * the client which comes first: in include's list, or (hawser init) in the table below. Local: in the user's file, but
 * for one folder. */
enum clientfile_scope { CLIENTFILE_LOCAL, CLIENTFILE_PROJECT, CLIENTFILE_USER, CLIENTFILE_SCOPES };
enum clientfile_base { CLIENTFILE_HOME, CLIENTFILE_CONFIG, CLIENTFILE_CWD };

struct clientfile_place {
	const char *client; /* "claude-code": what --client and include name */
	const char *title; /* "Claude Code" */
	enum clientfile_scope scope;
	enum clientfile_base base;
	const char *path;
	const char *key; /* of the object with the servers; below projects/FOLDER when local */
	bool toml;
	bool literal; /* the client hands texts on as they are: ${X} is no variable there */
	bool inputs; /* ${input:x} is asked for by the client */
	bool roots; /* the client tells servers its folders (MCP roots) */
};
extern const struct clientfile_place clientfile_places[]; /* ends with client NULL */

struct clientfile_where {
	const char *home, *config_home, *cwd; /* absolute */
};

struct clientfile {
	char *path; /* as the table has it */
	char *target; /* the same without symbolic links */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool read_only; /* nobody may write it, or not we */
	struct buf text, plain; /* plain: JSON only (jsonc.h) */
	struct span root, projects; /* JSON: of the whole, and of the member of that name */
	struct span servers; /* JSON: the member called key, a place's */
	const char *key;
	struct toml toml;
	char *fault; /* "FILE: what"; NULL: it could be read */
};

struct clientfile_entry {
	char *name;
	int line;
	json_t *server; /* in Hawser's keys: command, args, env, cwd, url, headers, type, timeout, ...; NULL: stays says
			   why */
	char *notes; /* what is left behind, one sentence a line; NULL: nothing */
	char *stays; /* why it cannot be moved or used; NULL: it can */
	bool disabled;
};

struct clientfile_section {
	const struct clientfile_place *place;
	struct clientfile *file;
	struct span object; /* JSON: the servers in file->plain */
	struct clientfile_entry *entries;
	size_t count;
};

struct clientfiles {
	struct clientfile **files;
	struct clientfile_section *sections; /* the one that wins comes first */
	size_t file_count, section_count;
};
#define _cleanup_clientfiles_ _cleanup_(clientfiles_done)

/* Is there a client of this name? "project" stands for the files of a folder, whatever their client. */
bool clientfile_is_name(const char *name);
/* Reads what is there. client NULL: all. want_projects, want_users: which scopes (local is a user's). A file that
 * cannot be read has its fault; sections of it are there, empty. */
int clientfiles_read(const struct clientfile_where *where, const char *client, bool want_users, bool want_projects,
		     struct clientfiles *ret, struct error *err) _must_check_;
void clientfiles_done(struct clientfiles *all);
/* Would reading them take long? */
bool clientfiles_are_large(const struct clientfile_where *where);
/* The path of a place. On the heap. */
char *clientfile_path(const struct clientfile_place *place, const struct clientfile_where *where);
/* Is this place of a folder a user's own file too, as in the home folder? Then it is read as that alone. */
bool clientfile_is_users(const struct clientfile_place *place, const struct clientfile_where *where);
/* Does command (looked for in path, a list as PATH is) start the program that runs now? */
bool clientfile_is_self(const char *command, const char *path);

/* entries.c, pure: the servers of a section. cwd: the folder of local and project sections. */
int clientfile_entries(struct clientfile_section *section, const char *cwd, struct error *err) _must_check_;
void clientfile_entries_done(struct clientfile_section *section);
/* foreign.c, pure: an entry's server in the client's own keys becomes one in Hawser's. folder NULL: a user's. */
void clientfile_translate(const struct clientfile_place *place, json_t *from, const char *folder,
			  struct clientfile_entry *entry);

#endif
