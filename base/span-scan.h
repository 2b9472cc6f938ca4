/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_SPAN_SCAN_H
#define HAWSER_BASE_SPAN_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Scanning shared by the span files. Most strings are short: eight bytes a step come first, and who is still at it
 * after SCAN_SHORT bytes goes on by blocks, which the compiler makes of whatever vectors the machine has. For
 * base/span*.c only.
 */

#define SCAN_ONES 0x0101010101010101u
#define SCAN_HIGHS 0x8080808080808080u
#define SCAN_SHORT 32
#define SCAN_LANES 4 /* vectors a block */

typedef int8_t scan_vector __attribute__((vector_size(16)));
#define SCAN_BLOCK (SCAN_LANES * (ptrdiff_t)sizeof(scan_vector))

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

/* Nonzero if one of the eight bytes is '"' or '\\'. */
static inline uint64_t scan_has_quote(uint64_t word)
{
	uint64_t quote = word ^ (SCAN_ONES * '"'), slash = word ^ (SCAN_ONES * '\\');

	return (((quote - SCAN_ONES) & ~quote) | ((slash - SCAN_ONES) & ~slash)) & SCAN_HIGHS;
}

static inline bool scan_any(scan_vector found)
{
	uint64_t halves[2];

	memcpy(halves, &found, sizeof(halves));
	return (halves[0] | halves[1]) != 0;
}

/* Is one of the SCAN_BLOCK bytes at p '"', '\\', or (not only quotes) outside of ASCII's text? */
static inline bool scan_block_has(const char *p, bool only_quotes)
{
	scan_vector found = {0};

	for (int i = 0; i < SCAN_LANES; i++) {
		scan_vector v;

		memcpy(&v, p + i * (ptrdiff_t)sizeof(v), sizeof(v));
		found |= (v == '"') | (v == '\\');
		if (!only_quotes)
			found |= v < 0x20; /* signed: bytes from 0x80 on too */
	}
	return scan_any(found);
}

/* First byte that is not plain ASCII text of a JSON string, or end. */
static inline const char *scan_plain(const char *p, const char *end)
{
	const char *from = p;

	while (end - p >= 8 && !scan_has_special(scan_load(p))) {
		p += 8;
		if (p - from == SCAN_SHORT)
			while (end - p >= SCAN_BLOCK && !scan_block_has(p, false))
				p += SCAN_BLOCK;
	}
	while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* First '"' or '\\', or end. */
static inline const char *scan_quote(const char *p, const char *end)
{
	const char *from = p;

	while (end - p >= 8 && !scan_has_quote(scan_load(p))) {
		p += 8;
		if (p - from == SCAN_SHORT)
			while (end - p >= SCAN_BLOCK && !scan_block_has(p, true))
				p += SCAN_BLOCK;
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
