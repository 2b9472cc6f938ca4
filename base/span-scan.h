/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_SPAN_SCAN_H
#define HAWSER_BASE_SPAN_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Scanning shared by the span files: eight bytes a step. For base/span*.c only. */

#define SCAN_ONES 0x0101010101010101u
#define SCAN_HIGHS 0x8080808080808080u

static inline uint64_t scan_load(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Nonzero if one of the eight bytes is below 0x20, above 0x7e + 1, '"' or '\\'. Exact for "any", not for "which". */
static inline uint64_t scan_has_special(uint64_t word)
{
	uint64_t quote = word ^ (SCAN_ONES * '"'), slash = word ^ (SCAN_ONES * '\\');

	return ((word - SCAN_ONES * 0x20) | (quote - SCAN_ONES) | (slash - SCAN_ONES) | word) & SCAN_HIGHS;
}

/* First byte that is not plain ASCII text of a JSON string, or end. */
static inline const char *scan_plain(const char *p, const char *end)
{
	while (end - p >= 8 && !scan_has_special(scan_load(p)))
		p += 8;
	while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* First '"' or '\\', or end. */
static inline const char *scan_quote(const char *p, const char *end)
{
	for (; end - p >= 8; p += 8) {
		uint64_t word = scan_load(p);
		uint64_t quote = word ^ (SCAN_ONES * '"'), slash = word ^ (SCAN_ONES * '\\');

		if ((((quote - SCAN_ONES) & ~quote) | ((slash - SCAN_ONES) & ~slash)) & SCAN_HIGHS)
			break;
	}
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

static inline const char *scan_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

static inline int scan_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Value of the four hexadecimal digits at p, or -1. */
static inline int32_t scan_hex4(const char *p, const char *end)
{
	int32_t value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = scan_hex(p[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

/*
 * Walks the inside of a string literal (without its quotes): each step gives a run of decoded bytes, either borrowed
 * from the text or, for an escape, from bytes. A lone surrogate becomes U+FFFD.
 */
struct scan_text {
	const char *p, *end;
	char bytes[4];
};
/* false at the end, or where an escape is broken (then p < end). */
bool scan_text_next(struct scan_text *text, const char **ret_run, size_t *ret_len);

#endif
