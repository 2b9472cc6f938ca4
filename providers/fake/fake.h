/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDERS_FAKE_FAKE_H
#define HAWSER_PROVIDERS_FAKE_FAKE_H

#include "providers/include/hawser/provider.h"

/* A guest that somebody else started, at an endpoint that the settings name. For tests of cuts and of remote links. */
extern const struct hawser_provider hawser_fake_provider;

#endif
