/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http-address.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* IANA's registries of special-purpose addresses: what is not globally reachable. */
static const struct {
	uint8_t bytes[4];
	unsigned bits;
} four[] = {
	{{0}, 8},         {{10}, 8},       {{100, 64}, 10},      {{127}, 8},
	{{169, 254}, 16}, {{172, 16}, 12}, {{192, 0, 0}, 24},    {{192, 0, 2}, 24},
	{{192, 168}, 16}, {{198, 18}, 15}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24},
	{{224}, 4},       {{240}, 4},
};
static const struct {
	uint8_t bytes[16];
	unsigned bits;
	unsigned four_at; /* where an IPv4 address stands in it, which then decides; 0: none */
} six[] = {
	{{[10] = 0xff, 0xff}, 96, 12}, /* ::ffff:0:0/96 mapped */
	{{0x00, 0x64, 0xff, 0x9b}, 96, 12}, /* NAT64 */
	{{0x20, 0x02}, 16, 2}, /* 6to4 */
	{{0}, 96, 0}, /* ::, ::1 and the old IPv4-compatible ones */
	{{0x01, 0x00}, 64, 0},
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, 0},
	{{0x20, 0x01, 0x00, 0x00}, 23, 0},
	{{0x20, 0x01, 0x0d, 0xb8}, 32, 0},
	{{0xfc}, 7, 0},
	{{0xfe, 0x80}, 9, 0}, /* link-local and the old site-local */
	{{0xff}, 8, 0},
};

static bool matches(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(address, prefix, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

static bool four_is_private(const uint8_t *address)
{
	for (size_t i = 0; i < ARRAY_SIZE(four); i++)
		if (matches(address, four[i].bytes, four[i].bits))
			return true;
	return false;
}

static bool six_is_private(const uint8_t *address)
{
	for (size_t i = 0; i < ARRAY_SIZE(six); i++)
		if (matches(address, six[i].bytes, six[i].bits))
			return six[i].four_at ? four_is_private(address + six[i].four_at) : true;
	return false;
}

bool http_address_is_private(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return four_is_private((const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
	if (address->sa_family == AF_INET6)
		return six_is_private(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
	return true;
}

bool http_address_text_is_private(const char *text)
{
	struct in_addr a4;
	struct in6_addr a6;

	if (inet_pton(AF_INET, text, &a4) == 1)
		return four_is_private((const uint8_t *)&a4);
	return inet_pton(AF_INET6, text, &a6) != 1 || six_is_private(a6.s6_addr);
}
