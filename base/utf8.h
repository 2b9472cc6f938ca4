/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_UTF8_H
#define HAWSER_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes (1 to 4) of the well-formed UTF-8 character at s (RFC 3629: no overlong form, no surrogate); 0 if there is none
 * within n bytes. */
static inline size_t utf8_width(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < 2 || (p[1] & 0xc0) != 0x80)
		return 0;
	if (p[0] < 0xe0)
		return 2;
	if (n < 3 || (p[2] & 0xc0) != 0x80)
		return 0;
	if (p[0] < 0xf0) {
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0))
			return 0;
		return 3;
	}
	if (n < 4 || (p[3] & 0xc0) != 0x80 || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return 4;
}

/* The character of width bytes, as utf8_width() said, at p. */
static inline uint32_t utf8_get(const char *p, size_t width)
{
	uint32_t c = width == 1 ? (uint8_t)p[0] : (uint8_t)p[0] & (0xffu >> (width + 1));

	for (size_t i = 1; i < width; i++)
		c = c << 6 | ((uint8_t)p[i] & 0x3fu);
	return c;
}

/* Writes character c (up to 0x10ffff); how many bytes it took, 1 to 4. */
static inline size_t utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Is nothing to be seen of it, or does it change how what is around it is shown? The space of ASCII is seen. */
bool utf8_is_unseen(uint32_t c);

#endif
