/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that nobody waits for any more and that the present server has not answered: it may still be at work on them.
 */
#include "broker/upstream/internal.h"

void unanswered_add(struct unanswered *all, uint64_t id)
{
	if (all->count < UPSTREAM_UNANSWERED_MAX)
		all->ids[all->count++] = id;
	else
		all->forgot = true;
}

void unanswered_remove(struct unanswered *all, uint64_t id)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->ids[i] != id)
			continue;
		all->ids[i] = all->ids[--all->count];
		return;
	}
}

bool upstream_is_unanswered(const struct upstream *u, uint64_t id)
{
	for (size_t i = 0; i < u->unanswered.count; i++)
		if (u->unanswered.ids[i] == id)
			return true;
	return false;
}

bool upstream_has_unanswered(const struct upstream *u)
{
	return u->unanswered.count > 0 || u->unanswered.forgot;
}

bool upstream_forgot_unanswered(const struct upstream *u)
{
	return u->unanswered.forgot;
}
