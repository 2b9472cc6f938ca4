/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/strays.h"

#include "broker/upstream/upstream.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct stray {
	struct stray *next;
	uint64_t request, approver;
	char *subject;
};

static void drop(struct strays *s, struct stray *stray)
{
	LL_DELETE(s->list, stray);
	free(stray->subject);
	free(stray);
}

static void forget_answered(struct strays *s, const struct upstream *u)
{
	struct stray *stray, *next;

	LL_FOREACH_SAFE (s->list, stray, next) {
		if (!upstream_is_unanswered(u, stray->request))
			drop(s, stray);
	}
	if (!upstream_has_unanswered(u))
		s->several = false;
}

void strays_add(struct strays *s, const struct upstream *u, uint64_t request, const char *subject, uint64_t approver)
{
	struct stray *stray = calloc(1, sizeof(*stray));

	forget_answered(s, u);
	if (!stray || !(stray->subject = strdup(subject))) {
		free(stray);
		s->several = true;
		return;
	}
	stray->request = request;
	stray->approver = approver;
	LL_PREPEND(s->list, stray);
}

bool strays_of_others(struct strays *s, const struct upstream *u, const char *subject, uint64_t approver)
{
	struct stray *stray;

	forget_answered(s, u);
	if (s->several || upstream_forgot_unanswered(u))
		return true;
	LL_FOREACH (s->list, stray) {
		if (strcmp(stray->subject, subject) != 0 || stray->approver != approver)
			return true;
	}
	return false;
}

void strays_done(struct strays *s)
{
	while (s->list)
		drop(s, s->list);
	s->several = false;
}
