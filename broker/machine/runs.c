/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of kind run: code out, output and the end in. */
#include "broker/machine/internal.h"

#include <errno.h>
#include <string.h>

#define FIRST_BODY_MAX (FRAME_PAYLOAD_MAX - 2u - FRAME_HEAD_MAX) /* code that goes in the OPEN frame */

struct machine_run *machine_find_run(struct machine *m, struct span id_literal)
{
	struct stream *s, *next;

	HASH_ITER (hh, m->streams, s, next) {
		struct machine_run *run = (struct machine_run *)s;

		if (s->kind == STREAM_RUN && !run->over && span_string_equals(id_literal, run->run_id))
			return run;
	}
	return NULL;
}

struct machine_run *machine_any_run(struct machine *m)
{
	struct stream *s, *next;

	HASH_ITER (hh, m->streams, s, next) {
		struct machine_run *run = (struct machine_run *)s;

		if (s->kind == STREAM_RUN && !run->over)
			return run;
	}
	return NULL;
}

void machine_run_on_body(struct machine_run *run, uint16_t channel, const uint8_t *data, size_t len)
{
	if (!run->over && !run->stream.machine->dead && len > 0)
		run->events.output(run->user, channel, data, len);
}

void machine_run_finish(struct machine_run *run, const struct machine_run_end *end)
{
	struct machine *m = run->stream.machine;

	if (run->over)
		return;
	run->over = true;
	machine_run_release(run);
	machine_drop_calls_of(m, run);
	if (!m->dead)
		run->events.end(run->user, end);
	HASH_DEL(m->streams, &run->stream);
	buf_done(&run->stream.out.data);
	free(run->run_id);
	free(run);
}

int machine_run_start(struct machine *m, const char *run_id, struct span head_json, struct span data, struct span code,
		      const struct machine_run_events *events, void *user, struct machine_run **ret, struct error *err)
{
	size_t first = data.len > 0 ? 0 : code.len < FIRST_BODY_MAX ? code.len : FIRST_BODY_MAX;
	struct machine_run *run;
	int r;

	if (m->state == MACHINE_CLOSED)
		return error_set(err, -ENOTCONN, "the sandbox is not reachable any more");
	run = calloc(1, sizeof(*run));
	if (!run || !(run->run_id = strdup(run_id))) {
		free(run);
		return error_set(err, -ENOMEM, "no memory for a run");
	}
	r = tunnel_open(m->tunnel, head_json.p, head_json.len, code.p, first, first == code.len, &run->stream.id, err);
	run->stream.out.data.max = data.len + code.len + 1;
	run->stream.out.lead = data.len;
	if (r == 0 && first < code.len) {
		if (data.len > 0)
			r = buf_append(&run->stream.out.data, data.p, data.len);
		if (r == 0)
			r = buf_append(&run->stream.out.data, code.p + first, code.len - first);
		if (r < 0)
			error_set(err, r, "no memory for the code of a run");
	}
	if (r < 0) {
		free(run->run_id);
		free(run);
		return r;
	}
	run->stream.kind = STREAM_RUN;
	run->stream.machine = m;
	run->stream.out.fin = first < code.len;
	run->events = *events;
	run->user = user;
	HASH_ADD(hh, m->streams, id, sizeof(run->stream.id), (&run->stream));
	machine_push(&run->stream);
	machine_kick(m);
	*ret = run;
	return 0;
}

void machine_run_cancel(struct machine_run *run, const char *reason)
{
	struct buf json = BUF_INIT(256);

	if (run->over)
		return;
	run->stream.out.fin = false;
	buf_clear(&run->stream.out.data);
	run->stream.out.sent = run->stream.out.lead = 0;
	if (buf_printf(&json, "{\"reason\":\"%s\"}", reason) == 0)
		tunnel_cancel(run->stream.machine->tunnel, run->stream.id, (const char *)buf_head(&json), json.len);
	buf_done(&json);
	machine_kick(run->stream.machine);
}

uint32_t machine_run_keep_end(struct machine_run *run)
{
	struct machine *m = run->stream.machine;

	for (size_t i = 0; i < MACHINE_ENDS_MAX; i++) {
		if (m->ends[i].stream)
			continue;
		m->ends[i] = (struct machine_kept_end){.stream = run->stream.id};
		m->end_count++;
		return run->stream.id;
	}
	return 0;
}

bool machine_end_waits(struct machine *m, uint32_t stream, uint32_t sequence)
{
	for (size_t i = 0; stream && m->end_count > 0 && i < MACHINE_ENDS_MAX; i++) {
		if (m->ends[i].stream != stream)
			continue;
		m->ends[i].sequence = sequence;
		m->ends[i].seen = true;
		return true;
	}
	return false;
}

void machine_end_kept(struct machine *m, uint32_t end)
{
	for (size_t i = 0; m && !m->dead && end && i < MACHINE_ENDS_MAX; i++) {
		if (m->ends[i].stream != end)
			continue;
		m->ends[i].stream = 0;
		m->end_count--;
		if (!m->ends[i].seen)
			return;
		tunnel_handled(m->tunnel, m->ends[i].sequence);
		machine_kick(m);
		return;
	}
}
