/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a program: its wall clock says CLOCK_FAR_SECONDS. Other clocks are the kernel's. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ret)
{
	const char *seconds = getenv("CLOCK_FAR_SECONDS");

	if (id != CLOCK_REALTIME || !seconds)
		return (int)syscall(SYS_clock_gettime, id, ret);
	*ret = (struct timespec){.tv_sec = strtoll(seconds, NULL, 10)};
	return 0;
}
