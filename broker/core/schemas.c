/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server chooses its schemas, and one of 4 MiB takes long to compile and to take apart, so neither is done on the
 * loop: the first check of a tool's arguments runs on another thread and compiles there; later ones, where they are
 * brief, stay on the loop.
 */
#include "broker/core/internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { FREED_AT_ONCE_MAX = 16 << 10 /* bytes of text: what such a schema has become is freed on the loop */ };

struct shared_schema {
	struct loop *loop;
	unsigned refs;
	pthread_mutex_t lock; /* of two that need it first, one compiles and the other waits */
	atomic_bool ready; /* schema does not change any more */
	struct schema *schema;
	char *text; /* until it is compiled */
	size_t text_len;
};

struct shared_schema *shared_schema_new(struct loop *loop, struct span text)
{
	struct shared_schema *s = calloc(1, sizeof(*s));

	if (!s || !(s->text = malloc(text.len + 1))) {
		free(s);
		return NULL;
	}
	memcpy(s->text, text.p, text.len);
	s->text_len = text.len;
	s->loop = loop;
	s->refs = 1;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

struct shared_schema *shared_schema_ref(struct shared_schema *s)
{
	if (s)
		s->refs++;
	return s;
}

static void take_apart(void *user)
{
	struct shared_schema *s = user;

	s->schema = schema_free(s->schema);
}

static void forget(void *user)
{
	struct shared_schema *s = user;

	pthread_mutex_destroy(&s->lock);
	free(s->text);
	free(s);
}

struct shared_schema *shared_schema_unref(struct shared_schema *s)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!s || --s->refs > 0)
		return NULL;
	if (s->schema && s->text_len > FREED_AT_ONCE_MAX && loop_work_start(s->loop, take_apart, forget, s, &err) == 0)
		return NULL;
	take_apart(s);
	forget(s);
	return NULL;
}

bool shared_schema_ready(const struct shared_schema *s)
{
	return atomic_load_explicit(&s->ready, memory_order_acquire);
}

const struct schema *shared_schema_get(struct shared_schema *s)
{
	if (shared_schema_ready(s))
		return s->schema;
	pthread_mutex_lock(&s->lock);
	if (!shared_schema_ready(s)) {
		_cleanup_error_ struct error ignored = ERROR_INIT;

		if (schema_compile(span_of(s->text, s->text_len), &s->schema, &ignored) < 0)
			s->schema = NULL;
		free(TAKE_PTR(s->text));
		atomic_store_explicit(&s->ready, true, memory_order_release);
	}
	pthread_mutex_unlock(&s->lock);
	return s->schema;
}
