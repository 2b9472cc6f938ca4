/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_LOG_H
#define HAWSER_BASE_LOG_H

#include <stddef.h>

/*
 * One line an event, logfmt or JSON: time, level, event name, then key=value pairs. The logger is the one piece of
 * process-wide state in Hawser: it is set up by main() and only written to afterwards. Only the owner of a request
 * logs; libraries return errors.
 *
 *   log_info("upstream_started", LOG_S("server", name), LOG_I("pid", pid));
 */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_options {
	int fd; /* where lines go; -1: nowhere */
	enum log_level least; /* lines below are dropped */
	enum log_format format;
	/* Sees the finished line before it is written and may rewrite it in place (it may only get shorter); returns
	 * the new length. Redaction hooks in here. NULL: none. */
	size_t (*filter)(void *user, char *line, size_t len);
	void *filter_user;
};

#define LOG_LINE_MAX 4096 /* longer lines are cut and end in "..." */

void log_setup(const struct log_options *options);
struct log_field {
	const char *key; /* NULL ends the list */
	const char *text; /* NULL: number */
	long long number;
};
#define LOG_S(name, value) ((struct log_field){.key = (name), .text = (value) ? (value) : ""})
#define LOG_I(name, value) ((struct log_field){.key = (name), .number = (long long)(value)})

void log_event(enum log_level level, const char *event, const struct log_field *fields);
/* The empty field in front lets the list be empty without __VA_OPT__, which cppcheck cannot read. */
#define LOG_FIELDS_(...) (&((const struct log_field[]){{.key = NULL}, ##__VA_ARGS__, {.key = NULL}})[1])
#define log_debug(event, ...) log_event(LOG_DEBUG, event, LOG_FIELDS_(__VA_ARGS__))
#define log_info(event, ...) log_event(LOG_INFO, event, LOG_FIELDS_(__VA_ARGS__))
#define log_warn(event, ...) log_event(LOG_WARN, event, LOG_FIELDS_(__VA_ARGS__))
#define log_error(event, ...) log_event(LOG_ERROR, event, LOG_FIELDS_(__VA_ARGS__))

#endif
