/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_SERVE_H
#define HAWSER_BROKER_SERVE_H

#include "broker/cli/cli.h"

/* hawser serve: the broker itself, until it is asked to stop. Returns enum cli_exit. */
int serve(const struct cli_args *args);

#endif
