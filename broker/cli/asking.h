/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_ASKING_H
#define HAWSER_BROKER_CLI_ASKING_H

#include "broker/cli/client.h"

/*
 * Questions of the broker put to the person at this terminal, one after the other, while the verb goes on with what it
 * does. stderr carries the question; the answer is read from the terminal, never from a pipe.
 */
struct asking_question;
struct asking {
	bool can; /* somebody sits here */
	struct asking_question *queue; /* the first one is shown */
	size_t count;
};

/* Is there a person? Then w->input_fd is the terminal. stdin_is_taken: code or arguments are read from it. */
void asking_init(struct asking *a, struct wire *w, bool stdin_is_taken);
void asking_done(struct asking *a);
/* True: the notification was about a question. */
bool asking_notified(struct asking *a, struct span method, struct span params);
/* w->input_fd can be read. */
void asking_input(struct asking *a, struct wire *w);

#endif
