/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/config.h"

#include <stddef.h>

#define KIB 1024
#define MIB (1024 * 1024)
#define LIMIT(member, low, high, standard, sentence)                                                          \
	{                                                                                                     \
		.name = #member, .kind = JSON_KIND_INTEGER, .offset = offsetof(struct config_limits, member), \
		.least = (low), .most = (high), .preset = (standard), .text = (sentence)                      \
	}

const struct json_field config_limits_table[] = {
	LIMIT(run_ms, 100, 86400000, 30000, "Wall time of a run that asks for none, in ms."),
	LIMIT(run_most_ms, 100, 86400000, 900000, "Most wall time that a run may ask for, in ms."),
	LIMIT(cpu_ms, 100, 86400000, 60000, "CPU time of a run over all its processes, in ms."),
	LIMIT(call_ms, 100, 86400000, 60000, "Time of one tool call, in ms."),
	LIMIT(ask_ms, 1000, 86400000, 600000, "Time that a person has to answer a question, in ms."),
	LIMIT(memory, 64LL * MIB, 1024LL * 1024 * MIB, 512LL * MIB, "Memory of a sandbox, in bytes."),
	LIMIT(disk, 1LL * MIB, 1024LL * 1024 * MIB, 256LL * MIB, "Room in /tmp and home of a sandbox, in bytes."),
	LIMIT(processes, 8, 32768, 128, "Processes and threads in a sandbox."),
	LIMIT(output, 4LL * KIB, 16384LL * MIB, 16LL * MIB, "stdout, stderr and log of a run together, in bytes."),
	LIMIT(arguments, 1LL * KIB, 1024LL * MIB, 64LL * MIB + 64 * KIB, "Arguments of one call, in bytes."),
	LIMIT(result, 1LL * KIB, 1024LL * MIB, 64LL * MIB + 64 * KIB,
	      "Result of one call, and value of a run, in bytes."),
	LIMIT(reply, 1LL * KIB, 4LL * MIB, 16LL * KIB,
	      "Text that a door answers with; the rest is read by wait_run, in bytes."),
	LIMIT(yield_ms, 100, 3600000, 45000,
	      "The MCP door answers a run that lasts longer with how to wait for it, in ms."),
	LIMIT(calls, 1, 10000000, 10000, "Tool calls of a run."),
	LIMIT(calls_open, 1, 4096, 128, "Tool calls of a run that are open at once."),
	LIMIT(runs, 1, 4096, 16, "Runs at once."),
	LIMIT(runs_kept, 0, 100000, 200, "Finished runs whose files are kept."),
	LIMIT(pool, 0, 4096, 2, "Warm sandboxes kept ready; 0: none."),
	LIMIT(sandbox_ms, 1000, 86400000, 300000, "Idle life of a warm sandbox, in ms."),
};
const size_t config_limits_count = sizeof(config_limits_table) / sizeof(config_limits_table[0]);
