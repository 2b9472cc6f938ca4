/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/carrier/kind.h"

void carrier_kick(struct carrier *c)
{
	if (c)
		c->ops->kick(c);
}

struct tunnel_link *carrier_link(const struct carrier *c)
{
	return c ? c->link : NULL;
}

struct carrier *carrier_free(struct carrier *c)
{
	if (c)
		c->ops->free(c);
	return NULL;
}
