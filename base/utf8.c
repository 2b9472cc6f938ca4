/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/error.h"

/* Sorted. What Unicode calls default-ignorable, controls and marks of direction, line ends, and all that is blank but
 * the space of ASCII: a name with another blank in it looks like two words. */
static const struct {
	uint32_t first, last;
} unseen[] = {
	{0x00, 0x1f},       {0x7f, 0xa0}, /* with the space that does not break */
	{0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},     {0x115f, 0x1160}, /* Hangul fillers */
	{0x1680, 0x1680}, /* Ogham space */
	{0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f}, /* spaces of all widths, and of none; marks of
								     direction */
	{0x2028, 0x202f},   {0x205f, 0x206f},   {0x2800, 0x2800}, /* Braille without a dot */
	{0x3000, 0x3000},   {0x3164, 0x3164},   {0xfe00, 0xfe0f}, /* variation selectors */
	{0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},
	{0x13430, 0x13455}, {0x16fe4, 0x16fe4}, {0x1bca0, 0x1bca3}, {0x1d159, 0x1d159},
	{0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, /* tags, more variation
						   selectors */
};

bool utf8_is_unseen(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_SIZE(unseen); i++)
		if (c >= unseen[i].first && c <= unseen[i].last)
			return true;
	return false;
}
