/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BUILTIN_H
#define HAWSER_BUILTIN_H

/* Providers that are linked into the broker. Not installed. */

#include "providers/include/hawser/provider.h"

extern const struct hawser_provider hawser_process_provider;
/* A guest that somebody else started, at an endpoint that the settings name: for tests of cuts and of remote links. */
extern const struct hawser_provider hawser_fake_provider;

#endif
