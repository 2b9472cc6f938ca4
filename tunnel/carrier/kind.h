/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_CARRIER_KIND_H
#define HAWSER_TUNNEL_CARRIER_KIND_H

#include "tunnel/carrier/carrier.h"

/* What each kind of carrier begins with; carrier.c dispatches on it. */
struct carrier_ops {
	void (*kick)(struct carrier *c);
	void (*free)(struct carrier *c);
};

struct carrier {
	const struct carrier_ops *ops;
	struct tunnel_link *link; /* NULL: closed */
};

#endif
