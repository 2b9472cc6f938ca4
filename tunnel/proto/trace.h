/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_PROTO_TRACE_H
#define HAWSER_TUNNEL_PROTO_TRACE_H

#include "tunnel/proto/frame.h"

/*
 * A line of HAWSER_TRACE: milliseconds, in or out, which end wrote it, type, flags, channel, stream, sequence, length:
 *
 *   104233 out broker BODY 1 2 7 1031 65536
 *
 * Never bodies. tunnel_options.trace gives frames in which fields that are always 0 on the wire tell what a replay
 * needs: sequence of HELLO = received, of ACK = the number it acknowledges, of CREDIT = the total (at most 2^32-1);
 * channel of OPEN and HEAD = length of the JSON head; flags of RESET = 1 if the end that is told of it goes on (a
 * cancelled run), channel of an incoming RESET = the low 16 bits of the last number that was given out: what has one
 * already is still written.
 * PROOF stands where it is accepted (the link is up): flags 1 = the conversation is resumed, 0 = it begins; sequence =
 * the other end's received. tests/tools/trace-replay reads such a file.
 */
enum { TRACE_LINE_MAX = 128, TRACE_END_MAX = 16 };

struct trace_line {
	uint64_t ms;
	bool outgoing;
	char end[TRACE_END_MAX]; /* "broker", "guest" */
	struct frame frame;
};

/* Writes the line with its newline; returns its length. end: a word, cut to 15 characters. */
size_t trace_format(char line[TRACE_LINE_MAX], uint64_t ms, bool outgoing, const char *end, const struct frame *frame);
/* false: not such a line. */
bool trace_parse(const char *line, struct trace_line *ret);

#endif
