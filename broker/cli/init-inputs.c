/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VS Code's inputs: a server that wants one is started once with what a person types here. It is kept nowhere: later
 * VS Code asks as it always did, and its one entry hands the values on.
 */
#include "broker/cli/init.h"

#include "broker/clientfiles/inputs.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>

enum { VALUE_MAX = 16 * 1024 };

/* Without showing it; false: nothing was typed. The question comes when the terminal is ready for the answer: what was
 * typed before it is thrown away. */
static bool read_hidden(char *what, char *value, size_t size)
{
	struct termios before, hidden;
	bool known = tcgetattr(0, &before) == 0, read;

	if (known) {
		hidden = before;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(0, TCSAFLUSH, &hidden);
	}
	fprintf(stderr, "%s, to start its server once (empty: not now): ", cli_clean(what));
	read = fgets(value, (int)size, stdin) != NULL;
	if (known)
		tcsetattr(0, TCSAFLUSH, &before);
	fputc('\n', stderr);
	value[read ? strcspn(value, "\r\n") : 0] = '\0';
	return *value;
}

void init_ask_inputs(const struct init *in)
{
	json_auto_t *inputs = json_object();
	char value[VALUE_MAX];
	const char *variable;
	json_t *input;

	if (!cli_can_ask())
		return;
	for (size_t i = 0; i < in->item_count; i++) {
		char *text =
			in->items[i].fate == INIT_MOVES ? json_dumps(in->items[i].entry->server, JSON_COMPACT) : NULL;

		if (text && inputs_collect(text, inputs) < 0)
			fprintf(stderr, "no memory for the inputs\n");
		free(text);
	}
	json_object_foreach (inputs, variable, input) {
		_cleanup_free_ char *name = strdup(json_string_value(input));

		if (getenv(variable) || !name)
			continue;
		if (read_hidden(name, value, sizeof(value)))
			setenv(variable, value, 1);
		explicit_bzero(value, sizeof(value));
	}
}
