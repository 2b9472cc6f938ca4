/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_SHOW_H
#define HAWSER_BROKER_CLI_SHOW_H

#include "broker/cli/client.h"

/* A run that is shown while it lasts; params are those of run.output and run.state, the answer that of run.start. */
struct show {
	bool json, verbose, terminal; /* terminal: stderr is one, so a state line may stand there */
	bool line_shown;
	bool interrupted;
};
/* The state line goes. */
void show_clear_line(struct show *s);
void show_output(struct show *s, struct span params);
void show_state(struct show *s, struct span params);
/* The status to leave with. */
int show_finish(const struct cli_args *args, struct show *s, struct span answer);

#endif
