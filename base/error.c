/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* for the analyzer error.h wraps them */
#undef error_set
#undef error_set_errno
#undef error_wrap

static void error_replace(struct error *err, int code, char *msg)
{
	free(err->msg);
	err->code = code;
	err->msg = msg;
}

_printf_(1, 0) static char *format(const char *fmt, va_list ap)
{
	char *text = NULL;

	return vasprintf(&text, fmt, ap) < 0 ? NULL : text;
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	assert(code < 0);
	va_start(ap, fmt);
	error_replace(err, code, format(fmt, ap));
	va_end(ap);
	return code;
}

int error_set_errno(struct error *err, int code, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	assert(code < 0);
	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	return error_set(err, code, "%s: %s", text ? text : "(no memory)", strerror(-code));
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	_cleanup_free_ char *context = NULL;
	_cleanup_free_ char *inner = NULL;
	va_list ap;

	va_start(ap, fmt);
	context = format(fmt, ap);
	va_end(ap);
	inner = TAKE_PTR(err->msg);
	return error_set(err, err->code, "%s: %s", context ? context : "(no memory)",
			 inner ? inner : strerror(-err->code));
}

const char *error_text(const struct error *err)
{
	if (err->msg)
		return err->msg;
	return err->code ? strerror(-err->code) : "no error";
}

int error_move(struct error *dst, struct error *src)
{
	int code = src->code;

	error_replace(dst, src->code, TAKE_PTR(src->msg));
	*src = (struct error)ERROR_INIT;
	return code;
}

void error_done(struct error *err)
{
	error_replace(err, 0, NULL);
}

const char *error_cure(const char *text, size_t *ret_len)
{
	const char *at = strstr(text, ERROR_CURE), *last = NULL;

	for (; at; at = strstr(at + 1, ERROR_CURE))
		last = at;
	*ret_len = last ? (size_t)(last - text) : strlen(text);
	return last ? last + strlen(ERROR_CURE) : NULL;
}
