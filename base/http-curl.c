/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http-curl.h"

#include "base/http.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define FUNCTION(name)                                  \
	{                                               \
#name, offsetof(struct http_curl, name) \
	}
static const struct {
	const char *name;
	size_t offset;
} functions[] = {
	FUNCTION(curl_global_init),         FUNCTION(curl_easy_init),           FUNCTION(curl_easy_cleanup),
	FUNCTION(curl_easy_setopt),         FUNCTION(curl_easy_getinfo),        FUNCTION(curl_easy_pause),
	FUNCTION(curl_easy_strerror),       FUNCTION(curl_easy_header),         FUNCTION(curl_slist_append),
	FUNCTION(curl_slist_free_all),      FUNCTION(curl_multi_init),          FUNCTION(curl_multi_cleanup),
	FUNCTION(curl_multi_setopt),        FUNCTION(curl_multi_assign),        FUNCTION(curl_multi_add_handle),
	FUNCTION(curl_multi_remove_handle), FUNCTION(curl_multi_socket_action), FUNCTION(curl_multi_info_read),
};
_Static_assert(sizeof(struct http_curl) == ARRAY_SIZE(functions) * sizeof(void (*)(void)), "one entry a function");

static atomic_bool there; /* as long as the process: the one library it has */

static int load(struct http_curl *ret, struct error *err)
{
	struct http_curl loaded;
	void *library;

	library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return error_set(err, -ENOPKG, "libcurl is missing (%s); install Debian's package libcurl4", dlerror());
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *function = dlsym(library, functions[i].name);

		if (!function)
			return error_set(err, -ENOPKG, "libcurl is too old: it has no %s; 7.87 or newer is wanted",
					 functions[i].name);
		memcpy((char *)&loaded + functions[i].offset, &function, sizeof(function));
	}
	if (loaded.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(err, -ENOPKG, "libcurl cannot be used");
	*ret = loaded;
	return 0;
}

int http_curl_load(const struct http_curl **ret, struct error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct http_curl loaded;
	int r = 0;

	pthread_mutex_lock(&lock);
	if (!there)
		r = load(&loaded, err);
	if (r == 0)
		there = true;
	pthread_mutex_unlock(&lock);
	if (r == 0)
		*ret = &loaded;
	return r;
}

bool http_is_prepared(void)
{
	return there;
}

void http_prepare(void *unused)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	const struct http_curl *curl;

	(void)unused;
	(void)!http_curl_load(&curl, &err); /* who sends a request hears why it failed */
}
