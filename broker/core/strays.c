/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/strays.h"

#include <stdlib.h>
#include <string.h>

bool strays_of_others(const struct strays *s, const char *subject, uint64_t approver, uint64_t now_ms)
{
	if (now_ms >= s->until_ms)
		return false;
	return s->several || !s->subject || s->approver != approver || strcmp(s->subject, subject) != 0;
}

void strays_add(struct strays *s, const char *subject, uint64_t approver, uint64_t now_ms)
{
	s->several = strays_of_others(s, subject, approver, now_ms);
	free(s->subject);
	s->subject = strdup(subject); /* without memory: not known */
	s->approver = approver;
	s->until_ms = now_ms + STRAYS_MS;
}

void strays_done(struct strays *s)
{
	free(s->subject);
	*s = (struct strays){0};
}
