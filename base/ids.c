/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ids.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *data, size_t n)
{
	uint8_t *p = data;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

void id_make(char text[ID_TEXT_MAX], const char *prefix)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t bytes[20];
	size_t at = strlen(prefix);

	assert(at <= 5);
	memcpy(text, prefix, at);
	text[at++] = '_';
	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		text[at++] = digits[bytes[i] & 31];
	text[at] = '\0';
}

char *hex_encode(char *text, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		sprintf(text + 2 * i, "%02x", p[i]);
	text[2 * n] = '\0';
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_decode(void *data, size_t n, const char *text)
{
	uint8_t *p = data;

	if (strlen(text) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		p[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}
