/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_CLOCK_H
#define HAWSER_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC: deadlines and durations. It does not count suspend. */
uint64_t clock_now_ns(void);
static inline uint64_t clock_now_ms(void)
{
	return clock_now_ns() / 1000000u;
}
/* Milliseconds since 1970 (UTC): only for what a person or another program reads. */
uint64_t clock_wall_ms(void);
/* "2026-11-21T09:30:00.123Z" into text of at least 25 bytes; returns text. */
char *clock_format_wall(uint64_t wall_ms, char text[25]);

#endif
