/* SPDX-License-Identifier: Apache-2.0 */
/* One statement with its values, and queues of them that know for how many somebody waits. */
#include "broker/store/internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- ops ---- */

struct store_op *store_op_new(enum store_statement statement, enum store_durability durability, store_done_fn *done,
			      void *user)
{
	struct store_op *op = calloc(1, sizeof(*op));

	if (!op)
		abort(); /* a row that could not even fail */
	op->statement = statement;
	op->durability = durability;
	op->done = done;
	op->user = user;
	return op;
}

static struct store_value *next_value(struct store_op *op)
{
	if (op->count >= STORE_VALUES_MAX)
		abort();
	return &op->values[op->count++];
}

void store_op_text(struct store_op *op, const char *text)
{
	struct store_value *v = next_value(op);

	if (!text || strlen(text) > STORE_TEXT_MAX)
		return;
	v->text = strdup(text);
	if (!v->text)
		abort();
	v->type = STORE_TEXT;
}

void store_op_integer(struct store_op *op, int64_t value)
{
	*next_value(op) = (struct store_value){.type = STORE_INTEGER, .integer = value};
}

void store_op_real(struct store_op *op, double value)
{
	*next_value(op) = (struct store_value){.type = STORE_REAL, .real = value};
}

void store_op_free(struct store_op *op)
{
	for (size_t i = 0; i < op->count; i++)
		free(op->values[i].text);
	free(op);
}

/* ---- queues ---- */

void store_queue_append(struct store_queue *q, struct store_op *op)
{
	op->next = NULL;
	*q->end = op;
	q->end = &op->next;
	q->count++;
	q->awaited += op->done != NULL;
}

struct store_op *store_queue_take(struct store_queue *q)
{
	struct store_op *op = q->first;

	if (!op)
		return NULL;
	q->first = op->next;
	if (!q->first)
		q->end = &q->first;
	q->count--;
	q->awaited -= op->done != NULL;
	return op;
}

void store_queue_init(struct store_queue *q)
{
	*q = (struct store_queue){.end = &q->first};
}

/* All of q in front of to. */
void store_queue_put_in_front(struct store_queue *q, struct store_queue *to)
{
	if (!q->first)
		return;
	*q->end = to->first;
	if (!to->first)
		to->end = q->end;
	to->first = q->first;
	to->count += q->count;
	to->awaited += q->awaited;
	store_queue_init(q);
}
