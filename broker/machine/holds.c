/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of kind hold: as long as one is open the guest may stop all processes of a run, its HEAD says that they stand
 * still, RESET by either end that they go on.
 */
#include "broker/machine/internal.h"

#include <stdlib.h>

static void free_hold(struct machine_hold *hold)
{
	HASH_DEL(hold->stream.machine->streams, &hold->stream);
	hold->run->hold = NULL;
	free(hold);
}

static void tell(struct machine_run *run, bool held)
{
	if (!run->over && !run->stream.machine->dead && run->events.held)
		run->events.held(run->user, held);
}

void machine_hold_confirmed(struct machine_hold *hold)
{
	tell(hold->run, true);
}

void machine_hold_refused(struct machine_hold *hold)
{
	struct machine_run *run = hold->run;

	tunnel_reset(run->stream.machine->tunnel, hold->stream.id, "{}", 2); /* if it is open still */
	free_hold(hold);
	tell(run, false);
}

void machine_run_hold(struct machine_run *run)
{
	struct machine *m = run->stream.machine;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf head = BUF_INIT(1024);
	struct machine_hold *hold;

	if (run->over || run->hold || m->dead)
		return;
	hold = calloc(1, sizeof(*hold));
	if (!hold || buf_printf(&head, "{\"kind\":\"hold\",\"run\":\"%s\"}", run->run_id) < 0 ||
	    tunnel_open(m->tunnel, (const char *)buf_head(&head), head.len, NULL, 0, false, &hold->stream.id, &err) <
		    0) {
		free(hold); /* the clock runs on */
		return;
	}
	hold->stream.kind = STREAM_HOLD;
	hold->stream.machine = m;
	hold->run = run;
	run->hold = hold;
	HASH_ADD(hh, m->streams, id, sizeof(hold->stream.id), (&hold->stream));
	machine_kick(m);
}

void machine_run_release(struct machine_run *run)
{
	static const char released[] = "{\"reason\":\"released\"}";
	struct machine *m = run->stream.machine;

	if (!run->hold)
		return;
	if (!m->dead)
		tunnel_reset(m->tunnel, run->hold->stream.id, released, sizeof(released) - 1);
	free_hold(run->hold);
	machine_kick(m);
}
