/* SPDX-License-Identifier: Apache-2.0 */
/* How a run ended, as PROTOCOL.md section 6 says it: pure, from what runs.c collected. */
#include "tunnel/guest/runs.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { EXIT_WORDS = 512 }; /* bytes of stderr that explain a status; before a signal node writes kilobytes of stacks */

struct ending {
	const char *status, *reason; /* reason NULL: ok */
	const char *kind, *fix; /* of the error, when the shim gave none */
	char message[160];
};

/* In the last bytes of stderr. */
static bool tail_says_memory(const struct run *run, size_t last)
{
	size_t len = run->stderr_len < last ? run->stderr_len : last;
	static const char *const words[] = {"heap out of memory",     "Allocation failed", "Cannot allocate memory",
					    "cannot allocate memory", "MemoryError",       "bad_alloc",
					    "out of memory",          "cannot allocate"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (memmem(run->stderr_tail + run->stderr_len - len, len, words[i], strlen(words[i])))
			return true;
	return false;
}

/* SIGKILL that is not ours comes from the kernel or a keeper that ran out of memory, or from the code itself: what was
 * in use tells. An abort with the words of an allocator is a limit per process. */
static bool out_of_memory(const struct run *run, int signo)
{
	uint64_t peak = run->peak_rss > run->max_rss ? run->peak_rss : run->max_rss;

	if (signo == SIGKILL)
		return peak >= run->limits.memory / 2;
	/* An abort close to the limit without those words: an allocator that fails inside its own failing. V8 ends so
	 * by SIGSEGV too, but that has other causes: only at the limit itself. */
	return tail_says_memory(run, sizeof(run->stderr_tail)) ||
	       peak >= run->limits.memory / 16 * (signo == SIGSEGV ? 15 : 12);
}

static void judge_signal(const struct run *run, struct ending *e)
{
	int signo = WTERMSIG(run->exit_status);

	e->status = "killed";
	if (out_of_memory(run, signo)) {
		e->reason = e->kind = "memory";
		e->fix = "Hold less in memory at once, or ask for a higher memory limit.";
		snprintf(e->message, sizeof(e->message), "the program ran out of memory (limit %llu MiB a process)",
			 (unsigned long long)(run->limits.memory >> 20));
		return;
	}
	e->reason = e->kind = "signal";
	snprintf(e->message, sizeof(e->message), "the program was ended by signal %d (%s)", signo, strsignal(signo));
}

static void judge_exit(const struct run *run, struct ending *e)
{
	e->status = "ok";
	if (run->shim_said_end) {
		if (run->error_json) {
			e->status = "error";
			e->reason = "exception";
		}
		return;
	}
	if (run->exited && WIFSIGNALED(run->exit_status)) {
		judge_signal(run, e);
		return;
	}
	if (!run->exited || WEXITSTATUS(run->exit_status) == 0)
		return;
	e->status = "error";
	e->reason = "exit";
	e->kind = "exit";
	if (tail_says_memory(run, EXIT_WORDS)) {
		e->reason = e->kind = "memory";
		e->fix = "Hold less in memory at once, or ask for a higher memory limit.";
	}
	snprintf(e->message, sizeof(e->message), "the program ended with exit status %d",
		 WEXITSTATUS(run->exit_status));
}

static void judge(const struct run *run, struct ending *e)
{
	bool cpu;

	switch (run->verdict) {
	case RUN_JUDGED_BY_EXIT:
		judge_exit(run, e);
		return;
	case RUN_TIMEOUT:
		cpu = strcmp(run->reason, "cpu") == 0;
		e->status = e->kind = "timeout";
		e->fix = cpu ? "Do less computing in one run."
			     : "Do less in one run, start calls in parallel, or give a higher timeout_ms.";
		snprintf(e->message, sizeof(e->message), "the run was ended at its limit of %llu ms %s time",
			 (unsigned long long)(cpu ? run->limits.cpu_ms : run->limits.wall_ms), cpu ? "CPU" : "wall");
		break;
	case RUN_CANCELLED:
		e->status = e->kind = "cancelled";
		snprintf(e->message, sizeof(e->message), "the run was cancelled");
		break;
	case RUN_KILLED:
		e->status = "killed";
		break;
	case RUN_FAILED:
		e->status = "error";
		break;
	}
	e->reason = run->reason;
}

static int append_error(const struct run *run, const struct ending *e, struct buf *out)
{
	int r;

	if (run->error_json && run->verdict != RUN_TIMEOUT && run->verdict != RUN_CANCELLED)
		return buf_printf(out, ",\"error\":%s", run->error_json);
	if (!e->kind)
		return 0;
	r = buf_printf(out, ",\"error\":{\"kind\":\"%s\",\"message\":", e->kind);
	if (r == 0)
		r = buf_append_json(out, e->message, strlen(e->message));
	if (r == 0 && e->fix)
		r = buf_printf(out, ",\"fix\":\"%s\"", e->fix);
	return r == 0 ? buf_append_str(out, "}") : r;
}

static int append_exit(const struct run *run, struct buf *out)
{
	if (!run->exited)
		return 0;
	if (WIFSIGNALED(run->exit_status))
		return buf_printf(out, ",\"exit_code\":%d,\"signal\":%d", 128 + WTERMSIG(run->exit_status),
				  WTERMSIG(run->exit_status));
	return buf_printf(out, ",\"exit_code\":%d", WEXITSTATUS(run->exit_status));
}

int run_tail_json(struct run *run, struct buf *out)
{
	struct ending e = {0};
	uint64_t wall = run->started_ms ? run->ended_ms - run->started_ms - run->held_ms : 0;
	uint64_t cpu = run->reaped_cpu_ms > run->peak_cpu_ms ? run->reaped_cpu_ms : run->peak_cpu_ms;
	int r;

	judge(run, &e);
	r = buf_printf(out, "{\"status\":\"%s\"", e.status);
	if (r == 0 && e.reason)
		r = buf_printf(out, ",\"reason\":\"%s\"", e.reason);
	if (r == 0)
		r = append_exit(run, out);
	if (r == 0)
		r = append_error(run, &e, out);
	if (r < 0)
		return r;
	return buf_printf(out, ",\"usage\":{\"wall_ms\":%llu,\"cpu_ms\":%llu,\"max_rss\":%llu},\"dropped\":%llu}",
			  (unsigned long long)wall, (unsigned long long)cpu,
			  (unsigned long long)(run->peak_rss > run->max_rss ? run->peak_rss : run->max_rss),
			  (unsigned long long)run->output_dropped);
}
