/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpreters that wait for a run on their descriptor 3. Limits of a process are set when it starts, so a parked one
 * serves only a run with the limits that it was started with.
 */
#include "base/log.h"
#include "tunnel/guest/child.h"

#include <stdlib.h>
#include <string.h>

enum { PARK_DELAY_MS = 1000 };

void park_fill(struct guest *g)
{
	const struct child_limits limits = {g->options->memory, g->options->processes, g->options->file};

	for (int i = 0; i < GUEST_LANGUAGES; i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *work = NULL;

		if (!g->options->park[i] || g->parked[i] || i == LANGUAGE_BASH)
			continue;
		if (child_work_dir(g, &work, &err) < 0 || child_new(g, i, &limits, work, NULL, &g->parked[i], &err) < 0)
			log_warn("park_failed", LOG_S("language", guest_language_name(i)),
				 LOG_S("error", error_text(&err)));
	}
}

static void park_on_timer(void *user)
{
	struct guest *g = user;

	if (g->run_count == 0)
		park_fill(g);
}

void park_fill_later(struct guest *g)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!g->park_timer && loop_timer_new(g->loop, park_on_timer, g, &g->park_timer, &err) < 0)
		return;
	loop_timer_start(g->park_timer, PARK_DELAY_MS);
}

struct child *park_take(struct guest *g, int language, const struct child_limits *limits)
{
	struct child *c = g->parked[language];

	if (!c || memcmp(&c->limits, limits, sizeof(*limits)) != 0)
		return NULL;
	g->parked[language] = NULL;
	return c;
}
