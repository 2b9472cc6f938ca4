/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_IDS_H
#define HAWSER_BASE_IDS_H

#include <stddef.h>

#define ID_TEXT_MAX 32 /* longest id text with its NUL */

/* Fills data from the kernel's generator; cannot fail on a kernel that Hawser runs on (aborts otherwise). */
void random_bytes(void *data, size_t n);
/* prefix (at most 5 letters) + "_" + 20 random characters of [0-9a-v] (100 bits), for instance "run_8k3...". */
void id_make(char text[ID_TEXT_MAX], const char *prefix);
/* Lower-case hexadecimal of n bytes into text (2n + 1 bytes); returns text. */
char *hex_encode(char *text, const void *data, size_t n);
/* Reads exactly 2n hexadecimal digits and a NUL. 0 or -EINVAL. */
int hex_decode(void *data, size_t n, const char *text);

#endif
