/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CONFIG_DECODE_H
#define HAWSER_BROKER_CORE_CONFIG_DECODE_H

#include "broker/clientfiles/clientfiles.h"
#include "broker/core/config-tree.h"
#include "broker/core/config.h"

#include <sys/stat.h>

enum { CONFIG_SERVERS_MAX = 256 };

/* What config_load() hands out is the first member of this; the rest is for config_is_stale() and config_show(). */
struct config_stamp {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};
struct config_whole {
	struct config c;
	unsigned refs;
	char *config_home; /* when the main file was searched */
	struct config_stamp *stamps; /* one for each of c.files; when none was found: of the two searched paths */
	size_t stamp_count;
	int *limit_lines; /* config_limits_count; 0: preset */
};

/* Where what is found wrong goes. In an included file, which another program may own, a bad server is a note and only
 * that server is lost. */
struct config_reader {
	struct config_whole *whole;
	struct config_faults *faults;
	const char *file;
	const char *home; /* absolute, or NULL */
	bool included;
	bool of_project; /* the file came with the folder */
	bool bad; /* the server being read has a fault */
	/* Sees unknown keys: true when one may stay. NULL: none may. */
	bool (*foreign)(struct config_reader *reader, const struct config_node *n, const char *where);
};
void config_complain(struct config_reader *reader, int line, const char *fmt, ...) _printf_(3, 4);
void config_note(struct config_reader *reader, int line, const char *fmt, ...) _printf_(3, 4);
/* A fault for `hawser config check`, but no reason to use nothing of the file. */
void config_tell_missing(struct config_reader *reader, int line, const char *fmt, ...) _printf_(3, 4);

/* Decodes an object by a table of base/json.h, as json_table_decode() would, but with a line for each fault.
 * JSON_KIND_RAW stores a const struct config_node *. lines (may be NULL): line of each field that was there. where:
 * "limits". */
void config_decode_object(struct config_reader *reader, const struct config_node *object, const char *where,
			  const struct json_field *table, size_t count, void *data, int *lines);
extern const struct json_field config_server_table[];
extern const size_t config_server_count;
void config_decode_servers(struct config_reader *reader, const struct config_node *servers);
void config_server_done(struct config_server *s);
/* config-roots.c: the key roots of a server. where: "server x". */
void config_decode_roots(struct config_reader *reader, const struct config_node *n, const char *where,
			 struct config_server *s);
/* config-paths.c */
void config_decode_runtimes(struct config_reader *reader, const struct config_node *n);
void config_decode_environments(struct config_reader *reader, const struct config_node *n);
/* config.c: remembers what a file looks like, so that a change of it is seen; also one that is not there yet. */
int config_watch(struct config_whole *w, const char *path) _must_check_;
/* config.c: the tree of a file, NULL after a fault. line: of the entry that names the file, in reader->file. */
struct config_node *config_read_file(struct config_reader *reader, const char *path, int line);
/* config-include.c */
void config_read_includes(struct config_reader *reader, const struct config_from *from,
			  const struct config_node *include);
/* config-clients.c: reads the files of a named client, or of the project; line: of its name, in reader->file. Then
 * takes the servers of one scope out of them. */
void config_read_client(struct config_reader *reader, const struct config_from *from, const char *name, int line,
			struct clientfiles *ret);
void config_take_client(struct config_reader *reader, const struct config_from *from, const struct clientfiles *files,
			enum clientfile_scope scope);
/* The whole main file. */
void config_decode_file(struct config_reader *reader, const struct config_node *root);
/* config-policy.c: when all servers are known, notes about rules that name none of them, or give nothing of them. */
void config_note_rules(struct config_reader *reader, const struct config_node *root);

#endif
