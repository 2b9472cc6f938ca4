/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows all texts of struct config_from: who keeps one for later keeps a copy. */
#include "broker/core/config.h"

#include "base/strings.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>

#define TEXTS(f)                                                                                         \
	{                                                                                                \
		&(f)->path, &(f)->config_home, &(f)->cwd, &(f)->home, &(f)->search_path, &(f)->state_dir \
	}

int config_from_copy(const struct config_from *from, struct config_from *ret)
{
	struct config_from copy = *from;
	const char **texts[] = TEXTS(&copy);
	bool whole = true;

	static_assert(sizeof(copy) == ARRAY_SIZE(texts) * sizeof(char *), "a text is missing in TEXTS");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char *text = NULL;

		whole = string_copy(*texts[i], &text) == 0 && whole;
		*texts[i] = text;
	}
	if (!whole) {
		config_from_done(&copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

void config_from_done(struct config_from *owned)
{
	const char **texts[] = TEXTS(owned);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		free((char *)(uintptr_t)*texts[i]);
		*texts[i] = NULL;
	}
}
