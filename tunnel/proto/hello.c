/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake of a link (PROTOCOL.md section 3). Whatever a HELLO says stays in the link until the proof: strangers
 * can say HELLO, and nothing of the tunnel changes for them. The boot id with which a listener would begin anew is
 * derived from the dialler's, so that two links that are cut between HELLO and PROOF get the same answer without any
 * memory.
 */
#include "tunnel/proto/internal.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>

static const char magic[4] = {'H', 'W', 'S', 'R'};

enum {
	VERSION = 1,
	AT_TUNNEL = 8,
	AT_BOOT = 24,
	AT_OTHER = 40,
	AT_RECEIVED = HELLO_RECEIVED,
	AT_HANDLED = 60,
	AT_NONCE = 64
};

bool id_zero(const struct tunnel_id *id)
{
	static const struct tunnel_id zero;

	return id_equal(id, &zero);
}

void hello_encode(const struct hello *h, uint8_t data[HELLO_SIZE])
{
	memset(data, 0, HELLO_SIZE);
	memcpy(data, magic, sizeof(magic));
	data[4] = h->low;
	data[5] = h->high;
	memcpy(data + AT_TUNNEL, &h->tunnel, 16);
	memcpy(data + AT_BOOT, &h->boot, 16);
	memcpy(data + AT_OTHER, &h->other, 16);
	put32(data + AT_RECEIVED, h->received);
	put32(data + AT_HANDLED, h->handled);
	memcpy(data + AT_NONCE, h->nonce, NONCE_SIZE);
}

const char *hello_decode(const uint8_t data[HELLO_SIZE], struct hello *ret)
{
	struct hello h = {.low = data[4], .high = data[5]};

	if (memcmp(data, magic, sizeof(magic)) != 0)
		return "magic";
	if (h.low > VERSION || h.high < VERSION || h.low > h.high)
		return "version";
	memcpy(&h.tunnel, data + AT_TUNNEL, 16);
	memcpy(&h.boot, data + AT_BOOT, 16);
	memcpy(&h.other, data + AT_OTHER, 16);
	h.received = get32(data + AT_RECEIVED);
	h.handled = get32(data + AT_HANDLED);
	memcpy(h.nonce, data + AT_NONCE, NONCE_SIZE);
	if (id_zero(&h.boot))
		return "boot";
	*ret = h;
	return NULL;
}

void hello_proof(const struct tunnel *t, bool listener, const uint8_t *dialler_hello, const uint8_t *listener_hello,
		 uint8_t proof[PROOF_SIZE])
{
	struct hmac_sha256_ctx ctx;
	const char *label = listener ? "hawser listener" : "hawser dialler";

	hmac_sha256_set_key(&ctx, sizeof(t->options.secret), t->options.secret);
	hmac_sha256_update(&ctx, strlen(label), (const uint8_t *)label);
	hmac_sha256_update(&ctx, HELLO_SIZE, dialler_hello);
	hmac_sha256_update(&ctx, HELLO_SIZE, listener_hello);
	hmac_sha256_digest(&ctx, PROOF_SIZE, proof);
	explicit_bzero(&ctx, sizeof(ctx));
}

static void hello_derive_boot(const struct tunnel *t, const uint8_t epoch[16], const struct tunnel_id *dialler,
			      struct tunnel_id *ret)
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, sizeof(t->options.secret), t->options.secret);
	hmac_sha256_update(&ctx, strlen("hawser boot"), (const uint8_t *)"hawser boot");
	hmac_sha256_update(&ctx, 16, epoch);
	hmac_sha256_update(&ctx, sizeof(*dialler), dialler->bytes);
	hmac_sha256_digest(&ctx, sizeof(*ret), ret->bytes);
	explicit_bzero(&ctx, sizeof(ctx));
}

void hello_next_boot(const struct tunnel *t, const struct tunnel_id *dialler, const struct tunnel_id *named,
		     struct tunnel_id *ret)
{
	/* Said under the seed of before, while a late PROOF of another dialler used that up: still good. */
	hello_derive_boot(t, t->epoch_before, dialler, ret);
	if (id_equal(ret, named) && !id_equal(dialler, &t->epoch_user))
		return;
	hello_derive_boot(t, t->epoch, dialler, ret);
}

static void hello_send(struct tunnel_link *link, const struct hello *h)
{
	struct tunnel *t = link->t;
	struct hello mine = *h;
	uint8_t payload[HELLO_SIZE + PROOF_SIZE];
	size_t len = HELLO_SIZE;

	mine.low = mine.high = VERSION;
	t->options.random(t->options.random_user, mine.nonce, sizeof(mine.nonce));
	hello_encode(&mine, link->mine);
	memcpy(payload, link->mine, HELLO_SIZE);
	if (!t->options.dialler) {
		hello_proof(t, true, link->theirs, link->mine, payload + HELLO_SIZE);
		len += PROOF_SIZE;
	}
	link_control(link, FRAME_HELLO, 0, payload, len);
	link->conversation = t->conversation;
}

void handshake_start(struct tunnel_link *link)
{
	struct tunnel *t = link->t;
	struct hello h = {.tunnel = t->options.id, .boot = t->boot};

	if (!t->options.dialler)
		return;
	if (t->other_known) {
		h.other = t->other_boot;
		h.received = seq_wire(t->received);
		h.handled = seq_wire(t->handled);
	}
	hello_send(link, &h);
}

/* Common to both ends: reads HELLO, checks what needs no secret. */
static int hello_read(struct tunnel_link *link, const uint8_t *payload, struct error *err)
{
	struct tunnel *t = link->t;
	const char *fault = hello_decode(payload, &link->hello);
	bool any_tunnel = !t->options.dialler && id_zero(&t->options.id);

	if (fault)
		return link_fail(link, -EPROTO, fault, err, "HELLO of another %s",
				 strcmp(fault, "version") == 0 ? "protocol version" : "protocol");
	if (!any_tunnel && !id_equal(&link->hello.tunnel, &t->options.id))
		return link_fail(link, -EPROTO, "tunnel", err, "HELLO of another tunnel");
	memcpy(link->theirs, payload, HELLO_SIZE);
	return 0;
}

/* Listener, HELLO(d): decides, tells, changes nothing. */
static int listener_hello(struct tunnel_link *link, const uint8_t *payload, struct error *err)
{
	struct tunnel *t = link->t;
	const struct hello *d = &link->hello;
	int r = hello_read(link, payload, err);

	if (r < 0)
		return r;
	struct hello l = {.tunnel = d->tunnel, .other = d->boot};

	link->resume = t->other_known && id_equal(&d->other, &t->boot) && id_equal(&d->boot, &t->other_boot);
	if (link->resume) {
		l.boot = t->boot;
		l.received = seq_wire(t->received);
		l.handled = seq_wire(t->handled);
	} else {
		hello_next_boot(t, &d->boot, &d->other, &l.boot);
	}
	link->boot = l.boot;
	link->state = LINK_PROOF;
	hello_send(link, &l);
	return 0;
}

static int listener_proof(struct tunnel_link *link, const uint8_t *payload, struct error *err)
{
	struct tunnel *t = link->t;
	const struct hello *d = &link->hello;
	uint8_t proof[PROOF_SIZE];
	bool same;

	hello_proof(t, false, link->theirs, link->mine, proof);
	if (!memeql_sec(proof, payload, PROOF_SIZE))
		return link_fail(link, -EACCES, NULL, err, "wrong proof of the secret");
	same = t->other_known && id_equal(&link->boot, &t->boot) && id_equal(&d->boot, &t->other_boot);
	if (link->resume && !same)
		return link_fail(link, -ESTALE, "stale", err, "another link began a new conversation meanwhile");
	link->proven = true;
	if (same) /* resumed, or another link has proven this very conversation since our HELLO */
		return tunnel_take_link(link, true, d->received, d->handled, err);
	if (id_zero(&t->options.id))
		t->options.id = d->tunnel;
	tunnel_begin_anew(t);
	t->boot = link->boot;
	t->other_boot = d->boot;
	t->other_known = true;
	t->epoch_user = d->boot;
	memcpy(t->epoch_before, t->epoch, sizeof(t->epoch));
	t->options.random(t->options.random_user, t->epoch, sizeof(t->epoch));
	return tunnel_take_link(link, false, 0, 0, err);
}

/* Dialler, HELLO(l) with its proof. */
static int dialler_hello(struct tunnel_link *link, const uint8_t *payload, size_t len, struct error *err)
{
	struct tunnel *t = link->t;
	const struct hello *l = &link->hello;
	uint8_t proof[PROOF_SIZE];
	bool same;
	int r = hello_read(link, payload, err);

	if (r < 0)
		return r;
	hello_proof(t, true, link->mine, link->theirs, proof);
	if (len < HELLO_SIZE + PROOF_SIZE || !memeql_sec(proof, payload + HELLO_SIZE, PROOF_SIZE))
		return link_fail(link, -EACCES, NULL, err, "wrong proof of the secret");
	if (memcmp(&l->other, link->mine + AT_BOOT, sizeof(l->other)) != 0)
		return link_fail(link, -EPROTO, "boot", err, "HELLO answers another boot id");
	if (link->conversation != t->conversation)
		return link_fail(link, -ESTALE, "stale", err, "another link began a new conversation meanwhile");
	link->proven = true;
	same = t->other_known && id_equal(&l->boot, &t->other_boot);
	if (!same) {
		tunnel_begin_anew(t);
		t->other_boot = l->boot;
		t->other_known = true;
	}
	hello_proof(t, false, link->mine, link->theirs, proof);
	link_control(link, FRAME_PROOF, 0, proof, sizeof(proof));
	return tunnel_take_link(link, same, same ? l->received : 0, same ? l->handled : 0, err);
}

int handshake_frame(struct tunnel_link *link, const struct frame *f, const uint8_t *payload, struct error *err)
{
	bool dialler = link->t->options.dialler;

	if (f->type == FRAME_BYE)
		return link_bye(link, payload, f->length, err);
	if (link->state == LINK_HELLO && f->type == FRAME_HELLO)
		return dialler ? dialler_hello(link, payload, f->length, err) : listener_hello(link, payload, err);
	if (link->state == LINK_PROOF && f->type == FRAME_PROOF)
		return listener_proof(link, payload, err);
	return link_fail(link, -EPROTO, "handshake", err, "%s before the proof", frame_type_name(f->type));
}
