/* SPDX-License-Identifier: Apache-2.0 */
/* What a server has beside tools. Nobody waits for these answers: they are asked for in front of tools/list. */
#include "broker/upstream/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *capability, *method, *list;
	unsigned offer;
} kinds[] = {
	{"prompts", "prompts/list", "prompts", UPSTREAM_PROMPTS},
	{"resources", "resources/list", "resources", UPSTREAM_RESOURCES},
};

unsigned upstream_offers(const struct upstream *u)
{
	return u->offers;
}

void offers_ask(struct upstream *u, struct span capabilities)
{
	u->offers = 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_buf_ struct buf message = BUF_INIT(256);
		char id[24];

		u->offer_ids[i] = 0;
		if (span_type(span_member(capabilities, kinds[i].capability)) != SPAN_OBJECT)
			continue;
		u->offers |= kinds[i].offer;
		u->offer_ids[i] = ++u->last_id;
		snprintf(id, sizeof(id), "%" PRIu64, u->last_id);
		if (jsonrpc_write_request(&message, span_of(id, strlen(id)), kinds[i].method, SPAN_NONE) == 0)
			session_send(u, OUTGOING_LIST, u->offer_ids[i], &message);
	}
}

bool offers_answer(struct upstream *u, uint64_t id, const struct jsonrpc_message *m)
{
	struct span one;
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (id != u->offer_ids[i])
			continue;
		u->offer_ids[i] = 0;
		if (m->kind == JSONRPC_ERROR || !span_next_element(span_member(m->result, kinds[i].list), &at, &one))
			u->offers &= ~kinds[i].offer;
		return true;
	}
	return false;
}
