/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_HTTP_CURL_H
#define HAWSER_BASE_HTTP_CURL_H

#define CURL_DISABLE_TYPECHECK /* its macros name the functions themselves */
#include "base/error.h"

#include <curl/curl.h>

/*
 * libcurl, loaded when it is first needed: it brings thirty libraries with it, which every start of a thin client would
 * pay for with 5 to 10 ms. Internal to base/http.
 */
#define HTTP_CURL_FUNCTIONS(X)                                                                                         \
	X(curl_global_init)                                                                                            \
	X(curl_easy_init)                                                                                              \
	X(curl_easy_cleanup)                                                                                           \
	X(curl_easy_setopt) X(curl_easy_getinfo) X(curl_easy_pause) X(curl_easy_strerror) X(curl_easy_header)          \
		X(curl_slist_append) X(curl_slist_free_all) X(curl_multi_init) X(curl_multi_cleanup)                   \
			X(curl_multi_setopt) X(curl_multi_assign) X(curl_multi_add_handle) X(curl_multi_remove_handle) \
				X(curl_multi_socket_action) X(curl_multi_info_read)

struct http_curl {
#define HTTP_CURL_MEMBER(name) __typeof__(&name) name;
	HTTP_CURL_FUNCTIONS(HTTP_CURL_MEMBER)
};

/* The one that is loaded, for the rest of the process's life. -ENOPKG: libcurl is not there; the text says what to do.
 */
int http_curl_load(const struct http_curl **ret, struct error *err) _must_check_;

#endif
