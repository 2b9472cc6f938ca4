/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/roots.h"

#include <errno.h>
#include <string.h>

/* ---- from folders ---- */

static int append_uri(struct buf *out, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
	int r = buf_append_str(out, "file://");

	for (const char *p = path; r == 0 && *p; p++)
		r = strchr(plain, *p) ? buf_append(out, p, 1) : buf_printf(out, "%%%02X", (unsigned char)*p);
	return r;
}

int roots_of_folders(const char *const *paths, struct buf *out)
{
	int r = buf_append_str(out, "[");

	for (size_t i = 0; r == 0 && paths[i]; i++) {
		r = buf_append_str(out, i > 0 ? ",{\"uri\":\"" : "{\"uri\":\"");
		if (r == 0)
			r = append_uri(out, paths[i]);
		if (r == 0)
			r = buf_append_str(out, "\"}");
	}
	return r < 0 ? r : buf_append_str(out, "]");
}

/* ---- from a client ---- */

/* Written as loosely as readers of URLs take it: some clients leave blanks and letters beyond ASCII as they are. */
static bool is_folder_uri(const char *uri)
{
	static const char *const begins[] = {"file:///", "file://localhost/"};
	bool good = false;

	for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
		good = good || strncmp(uri, begins[i], strlen(begins[i])) == 0;
	for (const char *p = uri; *p; p++)
		good = good && (unsigned char)*p >= 0x20 && *p != 0x7f;
	return good;
}

/* -EINVAL: it is none that can be used. */
static int append_root(struct buf *out, struct span root, bool first)
{
	_cleanup_free_ char *uri = span_strdup(span_member(root, "uri"), ROOTS_URI_MAX);
	_cleanup_free_ char *name = span_strdup(span_member(root, "name"), ROOTS_NAME_MAX);
	int r;

	if (!uri || !is_folder_uri(uri))
		return -EINVAL;
	r = buf_append_str(out, first ? "{" : ",{");
	if (r == 0)
		r = buf_append_member(out, "uri", uri);
	if (r == 0 && name)
		r = buf_append_member(out, "name", name);
	return r < 0 ? r : buf_append_str(out, "}");
}

int roots_read(struct span result, struct buf *out, struct roots_left_out *ret)
{
	_cleanup_buf_ struct buf list = BUF_INIT(ROOTS_BYTES_MAX - 2);
	struct roots_left_out left_out = {0};
	struct span roots = span_member(result, "roots"), root;
	size_t at = 0, looked = 0;
	int r = 0;

	if (span_type(roots) != SPAN_ARRAY)
		return -EINVAL;
	while (!left_out.more && span_next_element(roots, &at, &root)) {
		size_t before = list.len;

		r = looked++ < ROOTS_MAX ? append_root(&list, root, before == 0) : -E2BIG;
		if (r < 0)
			list.len = before;
		left_out.unusable += r == -EINVAL;
		left_out.more = r == -E2BIG;
		if (r == -ENOMEM)
			return r;
	}
	r = buf_append_str(out, "[");
	if (r == 0)
		r = buf_append(out, buf_head(&list), list.len);
	if (r == 0)
		r = buf_append_str(out, "]");
	if (r == 0)
		*ret = left_out;
	return r;
}
