/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_HTTP_ADDRESS_H
#define HAWSER_BASE_HTTP_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Is it an address that only means something near here (this machine, its networks, the metadata service of a cloud),
 * or nothing at all? Such a one is reached for URLs that the operator wrote, not for those that a server names. Pure.
 */
bool http_address_is_private(const struct sockaddr *address);
/* The same for its number in text ("::1"). */
bool http_address_text_is_private(const char *text);

#endif
