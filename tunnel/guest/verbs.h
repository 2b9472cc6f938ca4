/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_GUEST_VERBS_H
#define HAWSER_TUNNEL_GUEST_VERBS_H

#include "tunnel/guest/guest.h"

/* One function a verb; each returns the exit status of the process. */
int serve_main(int argc, char **argv);
int attach_main(int argc, char **argv);
int tool_main(int argc, char **argv);

/* serve: reads the command line; what is wrong is in the error. Opens --listen-port. */
int serve_options(int argc, char **argv, struct guest_options *ret, struct error *err) _must_check_;

#endif
