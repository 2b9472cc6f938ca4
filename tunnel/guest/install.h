/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_GUEST_INSTALL_H
#define HAWSER_TUNNEL_GUEST_INSTALL_H

#include "tunnel/guest/guest.h"

/* Writes the embedded shims (or takes those of options.shims) and bin/tool into a folder of our own below home; sets
 * shim_dir of the guest. */
int install_shims(struct guest *g, struct error *err) _must_check_;

/* Made at build time by embed.py out of tunnel/shims. */
struct embedded_file {
	const char *path; /* relative; NULL ends the list */
	const unsigned char *data;
	size_t len;
};
extern const struct embedded_file embedded_shims[];

#endif
