/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_WS_URL_H
#define HAWSER_BASE_WS_URL_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { WS_URL_HOST_MAX = 256 };

struct ws_url {
	bool tls;
	bool bracketed; /* the host is an IPv6 address */
	char host[WS_URL_HOST_MAX];
	uint16_t port;
	const char *path; /* borrowed from the text; "" stands for "/" */
};

/* ws://host[:port][/path]; no user names. Pure. */
int ws_url_read(const char *text, struct ws_url *ret, struct error *err) _must_check_;
/* "Name: value" without control characters? */
bool ws_header_good(const char *line);

#endif
