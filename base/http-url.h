/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_HTTP_URL_H
#define HAWSER_BASE_HTTP_URL_H

#include "base/error.h"

#include <stdbool.h>

enum { HTTP_URL_MAX = 8192 /* bytes */, HTTP_HEADER_MAX = 65536 /* bytes of "Name: value" */ };

/* http:// or https:// with a host, no name and password, no blanks or control characters? Pure, as all here. */
int http_url_check(const char *url, struct error *err) _must_check_;
/* Scheme, host and port are those of the other (both were checked). */
bool http_url_same_origin(const char *a, const char *b);
/* What ref means where base was asked, on the heap; the result was checked. */
int http_url_join(const char *base, const char *ref, char **ret, struct error *err) _must_check_;
/* Is the host of a checked URL this machine by its name or number (localhost, 127.0.0.1, [::1])? */
bool http_url_is_local(const char *url);
/* "Name: value": a token, and no control characters? */
bool http_header_good(const char *line);

#endif
