/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/proto/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t trace_format(char line[TRACE_LINE_MAX], uint64_t ms, bool outgoing, const char *end, const struct frame *frame)
{
	int n = snprintf(line, TRACE_LINE_MAX, "%" PRIu64 " %s %.15s %s %u %u %u %u %u\n", ms, outgoing ? "out" : "in",
			 end, frame_type_name(frame->type), frame->flags, frame->channel, frame->stream,
			 frame->sequence, frame->length);

	return n < 0 ? 0 : (size_t)n;
}

bool trace_parse(const char *line, struct trace_line *ret)
{
	struct trace_line l = {.ms = 0};
	char direction[4], type[8];
	unsigned flags, channel;

	if (sscanf(line, "%" SCNu64 " %3s %15s %7s %u %u %" SCNu32 " %" SCNu32 " %" SCNu32, &l.ms, direction, l.end,
		   type, &flags, &channel, &l.frame.stream, &l.frame.sequence, &l.frame.length) != 9)
		return false;
	if (flags > UINT8_MAX || channel > UINT16_MAX)
		return false;
	l.outgoing = strcmp(direction, "out") == 0;
	if (!l.outgoing && strcmp(direction, "in") != 0)
		return false;
	l.frame.flags = (uint8_t)flags;
	l.frame.channel = (uint16_t)channel;
	for (int t = 1; t <= FRAME_RESET; t++)
		if (strcmp(frame_type_name((uint8_t)t), type) == 0)
			l.frame.type = (uint8_t)t;
	*ret = l;
	return l.frame.type != 0;
}
