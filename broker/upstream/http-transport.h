/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_HTTP_TRANSPORT_H
#define HAWSER_BROKER_UPSTREAM_HTTP_TRANSPORT_H

#include "base/loop.h"
#include "broker/upstream/transport.h"

struct http_transport_options {
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const char *ca_file, *proxy, *no_proxy; /* as http_options */
	bool old; /* HTTP+SSE of 2024-11-05; else Streamable HTTP, with the old one tried when the server has none */
	size_t message_max; /* bytes of the longest message */
	uint64_t step_ms; /* for taking leave */
};

/* Connects when the first message is sent. */
int http_transport_new(struct loop *loop, const struct http_transport_options *options,
		       const struct transport_events *events, void *user, struct transport **ret,
		       struct error *err) _must_check_;

#endif
