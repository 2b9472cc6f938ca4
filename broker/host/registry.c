/* SPDX-License-Identifier: Apache-2.0 */
/* Providers that are built in. */
#include "broker/host/internal.h"

#include "providers/include/hawser/builtin.h"

#include <string.h>

static const struct hawser_provider *const providers[] = {&hawser_process_provider, &hawser_fake_provider};

const struct hawser_provider *registry_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(providers); i++)
		if (strcmp(providers[i]->name, name) == 0)
			return providers[i];
	return NULL;
}

const char *registry_names(void)
{
	return "process, fake";
}
