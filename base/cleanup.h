/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_CLEANUP_H
#define HAWSER_BASE_CLEANUP_H

/* Scope-bound cleanup, after the idiom that systemd and nbdkit made common. */

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _must_check_ __attribute__((warn_unused_result))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Move a pointer (or descriptor) out of a cleanup variable. */
#define TAKE_PTR(p)                                \
	({                                         \
		__typeof__(p) *taken_at_ = &(p);   \
		__typeof__(p) taken_ = *taken_at_; \
		*taken_at_ = NULL;                 \
		taken_;                            \
	})
#define TAKE_FD(fd)                      \
	({                               \
		int *taken_at_ = &(fd);  \
		int taken_ = *taken_at_; \
		*taken_at_ = -1;         \
		taken_;                  \
	})

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)

#endif
