/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDERS_PROCESS_FILTER_H
#define HAWSER_PROVIDERS_PROCESS_FILTER_H

#include <stddef.h>

/*
 * The system calls that a process sandbox is refused, as a BPF program for bubblewrap's --seccomp. What is refused and
 * why: the table in filter.c.
 */

/* Program text on the heap. 0 or a negative errno. */
int process_seccomp_make(void **ret, size_t *ret_len);

#endif
