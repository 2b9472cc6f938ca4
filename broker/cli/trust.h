/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_TRUST_H
#define HAWSER_BROKER_CLI_TRUST_H

#include "broker/cli/client.h"

/*
 * files: a JSON array of paths, what the broker says of files of the project that nobody said yes to. On a terminal
 * (and with may_ask) each is shown and asked about, else a line says which command does that. How many got their yes.
 */
size_t trust_ask(struct span files, bool may_ask);

#endif
