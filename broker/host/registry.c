/* SPDX-License-Identifier: Apache-2.0 */
/* Providers that are built in. */
#include "broker/host/internal.h"

#include "providers/include/hawser/builtin.h"

#include <string.h>

static const struct hawser_provider *const providers[] = {&hawser_process_provider, &hawser_fake_provider};

static const char *const names[] = {HOST_PROVIDER_NAMES};
_Static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(providers), "each provider has its name in host.h");

const struct hawser_provider *registry_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(providers); i++)
		if (strcmp(names[i], name) == 0)
			return providers[i];
	return NULL;
}

/* What somebody may be told to write: the other is for tests. */
const char *registry_names(void)
{
	return "process";
}
