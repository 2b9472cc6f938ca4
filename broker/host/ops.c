/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations. Whatever a provider does - completes at once, twice, or long after nobody wants it - core sees one end,
 * on a later turn. Ops that were delivered are kept for a while so that a second completion finds something to be told
 * by.
 */
#include "broker/host/internal.h"

#include "base/log.h"
#include "base/strings.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

struct hawser_op *op_free(struct hawser_op *op)
{
	if (!op)
		return NULL;
	free(op->tag);
	free(op->tunnel_id);
	strings_free(op->park);
	free(op->message);
	free(op->sandbox_id);
	free(op->endpoint_text);
	free(op->result_tunnel);
	strings_free(op->headers);
	explicit_bzero(op, sizeof(*op));
	free(op);
	return NULL;
}

static struct hawser_op *op_new(struct host_provider *p, enum op_kind kind, void *user)
{
	struct hawser_op *op = calloc(1, sizeof(*op));

	if (!op)
		abort(); /* an operation that cannot even fail */
	op->host = p->host;
	op->provider = p;
	op->kind = kind;
	op->user = user;
	DL_APPEND(p->host->open, op);
	return op;
}

/* ---- delivery ---- */

/* The secret and the strings of an op stay only as long as they are needed. */
static void bury(struct host *host, struct hawser_op *op)
{
	struct hawser_op *oldest;

	explicit_bzero(op->request.secret, sizeof(op->request.secret));
	explicit_bzero(op->created.secret, sizeof(op->created.secret));
	op->provider = NULL;
	DL_APPEND(host->over, op);
	if (++host->over_count <= HOST_OPS_KEPT)
		return;
	oldest = host->over;
	DL_DELETE(host->over, oldest);
	host->over_count--;
	op_free(oldest);
}

static void deliver(void *user)
{
	struct host *host = user;
	struct hawser_op *op;

	host->deferred = false;
	if (host->closing) {
		free(host);
		return;
	}
	while ((op = host->ready)) {
		DL_DELETE(host->ready, op);
		if (op->kind == OP_CREATE)
			op->done.create(op->user, &op->created);
		else if (op->done.destroy)
			op->done.destroy(op->user, op->created.status, op->created.message);
		bury(host, op);
	}
}

static void take_result(struct hawser_op *op, const struct hawser_result *result)
{
	struct host_created *c = &op->created;

	c->status = result->status;
	op->message = copy(result->message);
	c->message = op->message ? op->message : "";
	if (op->kind != OP_CREATE || result->status != HAWSER_OK)
		return;
	op->sandbox_id = result->sandbox_id ? strndup(result->sandbox_id, HOST_ID_MAX - 1) : NULL;
	op->endpoint_text = copy(result->endpoint.unix_path ? result->endpoint.unix_path : result->endpoint.url);
	op->headers = strings_copy(result->endpoint.headers);
	op->result_tunnel = copy(result->tunnel_id);
	if (!op->sandbox_id || !op->endpoint_text || !result->endpoint.unix_path == !result->endpoint.url) {
		c->status = HAWSER_INTERNAL;
		c->message = "the provider gave a sandbox without a name or without one endpoint";
		return;
	}
	c->sandbox_id = op->sandbox_id;
	if (result->endpoint.unix_path)
		c->endpoint.unix_path = op->endpoint_text;
	else
		c->endpoint.url = op->endpoint_text;
	c->endpoint.headers = (const char *const *)op->headers;
	c->tunnel_id = op->result_tunnel ? op->result_tunnel : op->tunnel_id;
	memcpy(c->secret, result->secret ? result->secret : op->request.secret, sizeof(c->secret));
}

void op_complete(struct hawser_op *op, const struct hawser_result *result)
{
	struct host *host = op->host;

	if (op->completed) {
		log_error("provider_completed_twice", LOG_S("tag", op->tag), LOG_I("status", result->status),
			  LOG_S("message", result->message));
		return;
	}
	op->completed = true;
	take_result(op, result);
	DL_DELETE(host->open, op);
	DL_APPEND(host->ready, op);
	if (!host->deferred) {
		host->deferred = true;
		loop_defer(host->loop, deliver, host);
	}
}

void ops_abandon(struct host_provider *p)
{
	struct hawser_op **lists[] = {&p->host->open, &p->host->ready}, *op, *next;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		DL_FOREACH_SAFE (*lists[i], op, next) {
			if (op->provider != p)
				continue;
			DL_DELETE(*lists[i], op);
			op->completed = true;
			keepers_detach(op);
			bury(p->host, op);
		}
}

/* ---- what core asks for ---- */

void host_create(struct host_provider *p, const struct hawser_create *request, host_create_fn *done, void *user,
		 struct host_op **ret)
{
	struct hawser_op *op = op_new(p, OP_CREATE, user);

	op->done.create = done;
	op->request = *request;
	op->request.tag = op->tag = copy(request->tag);
	op->request.tunnel_id = op->tunnel_id = copy(request->tunnel_id);
	op->park = strings_copy(request->park);
	op->request.park = (const char *const *)op->park;
	if (ret)
		*ret = (struct host_op *)op;
	p->ops->create(p->self, op, &op->request);
	op->request.environment = NULL; /* borrowed until then */
}

void host_cancel(struct host_op *handle)
{
	struct hawser_op *op = (struct hawser_op *)handle;

	if (!op->completed && op->provider->ops->cancel)
		op->provider->ops->cancel(op->provider->self, op);
}

void host_destroy(struct host_provider *p, const char *sandbox_id, host_destroy_fn *done, void *user)
{
	struct hawser_op *op = op_new(p, OP_DESTROY, user);

	op->done.destroy = done;
	op->tag = copy(sandbox_id);
	p->ops->destroy(p->self, op, op->tag);
}
