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
struct http_curl {
	__typeof__(&curl_global_init) curl_global_init;
	__typeof__(&curl_easy_init) curl_easy_init;
	__typeof__(&curl_easy_cleanup) curl_easy_cleanup;
	__typeof__(&curl_easy_setopt) curl_easy_setopt;
	__typeof__(&curl_easy_getinfo) curl_easy_getinfo;
	__typeof__(&curl_easy_pause) curl_easy_pause;
	__typeof__(&curl_easy_strerror) curl_easy_strerror;
	__typeof__(&curl_easy_header) curl_easy_header;
	__typeof__(&curl_slist_append) curl_slist_append;
	__typeof__(&curl_slist_free_all) curl_slist_free_all;
	__typeof__(&curl_multi_init) curl_multi_init;
	__typeof__(&curl_multi_cleanup) curl_multi_cleanup;
	__typeof__(&curl_multi_setopt) curl_multi_setopt;
	__typeof__(&curl_multi_assign) curl_multi_assign;
	__typeof__(&curl_multi_add_handle) curl_multi_add_handle;
	__typeof__(&curl_multi_remove_handle) curl_multi_remove_handle;
	__typeof__(&curl_multi_socket_action) curl_multi_socket_action;
	__typeof__(&curl_multi_info_read) curl_multi_info_read;
};

/* The one that is loaded, for the rest of the process's life; on any thread. -ENOPKG: libcurl is not there; the text
 * says what to do.
 */
int http_curl_load(const struct http_curl **ret, struct error *err) _must_check_;

#endif
