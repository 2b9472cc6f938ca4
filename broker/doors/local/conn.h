/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_LOCAL_CONN_H
#define HAWSER_BROKER_DOORS_LOCAL_CONN_H

#include "broker/doors/local/internal.h"

/* fd is consumed. */
int conn_new(struct local *local, int fd, struct error *err) _must_check_;
/* Hangs up; safe inside callbacks of its io. */
struct conn *conn_free(struct conn *c);
/* The same, at once: outside all callbacks of the connection. */
void conn_free_now(struct conn *c);

#endif
