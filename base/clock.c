/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

uint64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

char *clock_format_wall(uint64_t wall_ms, char text[25])
{
	time_t seconds = (time_t)(wall_ms / 1000u);
	unsigned ms = (unsigned)(wall_ms % 1000u);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, 25, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	text[20] = (char)('0' + ms / 100);
	text[21] = (char)('0' + ms / 10 % 10);
	text[22] = (char)('0' + ms % 10);
	return text;
}
