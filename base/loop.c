/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thin face of libuv. A handle that is freed is closed at once and its memory given back in libuv's close callback,
 * on the next turn; "dead" objects call nobody. Deferred functions run from an idle handle, which also keeps the loop
 * from sleeping while there are some.
 */
#include "base/loop.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <uv.h>

struct deferred {
	void (*fn)(void *user);
	void *user;
	const char *part;
};

struct loop_ending {
	void (*fn)(void *user);
	void *user;
	struct loop_ending *next;
};

struct loop {
	uv_loop_t uv; /* first, for owner_of() */
	uv_idle_t idle;
	uv_prepare_t prepare;
	uv_timer_t
		turn_timer; /* the limit of loop_turn(); one for all, as a closing handle keeps a turn from waiting */
	struct deferred *deferred; /* queue of what runs on the next turn */
	size_t deferred_count, deferred_cap;
	struct loop_ending *endings;
	uint64_t turn_began_ns, idle_before_ns, longest_ns;
	uint64_t part_ns; /* the longest callback of this turn */
	const char *part, *longest_part; /* its name, and that of the longest turn's */
	int signal_fd;
	struct loop_fd *signal_watch;
	loop_signal_fn *signal_fn;
	void *signal_user;
};

struct loop_fd {
	uv_poll_t poll;
	loop_fd_fn *fn;
	void *user;
	unsigned events; /* what is watched for */
	const char *part;
};

struct loop_timer {
	uv_timer_t timer;
	loop_timer_fn *fn;
	void *user;
	const char *part;
};

struct loop_work {
	uv_work_t work;
	void (*run)(void *user);
	void (*done)(void *user);
	void *user;
	const char *part;
};

/* Its data pointer is not ours: libwebsockets runs on the same loop. */
static struct loop *owner_of(uv_loop_t *uv)
{
	return (struct loop *)uv;
}

/* A callback that began then has returned. */
static void count_part(struct loop *loop, const char *part, uint64_t began_ns)
{
	uint64_t ns = clock_now_ns() - began_ns;

	if (ns <= loop->part_ns)
		return;
	loop->part_ns = ns;
	loop->part = part;
}

static void on_idle(uv_idle_t *handle)
{
	struct loop *loop = handle->data;
	struct deferred *list = TAKE_PTR(loop->deferred);
	size_t count = loop->deferred_count;

	loop->deferred_count = loop->deferred_cap = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t began = clock_now_ns();

		list[i].fn(list[i].user);
		count_part(loop, list[i].part, began);
	}
	free(list);
	if (loop->deferred_count == 0)
		uv_idle_stop(&loop->idle);
}

/* Runs before each poll: the turn that ends here lasted as long as the clock ran without the poll's waiting. */
static void on_prepare(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;
	uint64_t now = clock_now_ns(), idle = uv_metrics_idle_time(&loop->uv);
	uint64_t turn = now - loop->turn_began_ns, waited = idle - loop->idle_before_ns;

	if (turn > waited && turn - waited > loop->longest_ns) {
		loop->longest_ns = turn - waited;
		loop->longest_part = loop->part;
	}
	loop->part_ns = 0;
	loop->part = NULL;
	loop->turn_began_ns = now;
	loop->idle_before_ns = idle;
}

int loop_new(struct loop **ret, struct error *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return error_set(err, -ENOMEM, "no memory for an event loop");
	loop->signal_fd = -1;
	r = uv_loop_init(&loop->uv);
	if (r < 0) {
		free(loop);
		return error_set_errno(err, r, "making an event loop");
	}
	signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an error of the write, not the end of the process */
	uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME);
	uv_idle_init(&loop->uv, &loop->idle);
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_timer_init(&loop->uv, &loop->turn_timer);
	loop->idle.data = loop->prepare.data = loop;
	loop->turn_began_ns = clock_now_ns();
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_unref((uv_handle_t *)&loop->prepare);
	*ret = loop;
	return 0;
}

void *loop_owned(const struct loop *loop, void (*fn)(void *user))
{
	const struct loop_ending *ending = loop->endings;

	while (ending && ending->fn != fn)
		ending = ending->next;
	return ending ? ending->user : NULL;
}

void loop_own(struct loop *loop, void (*fn)(void *user), void *user)
{
	struct loop_ending *ending = calloc(1, sizeof(*ending));

	if (!ending)
		abort();
	*ending = (struct loop_ending){fn, user, loop->endings};
	loop->endings = ending;
}

struct loop *loop_free(struct loop *loop)
{
	struct loop_ending *ending;

	if (!loop)
		return NULL;
	while ((ending = loop->endings)) {
		loop->endings = ending->next;
		ending->fn(ending->user);
		free(ending);
	}
	loop->signal_watch = loop_fd_free(loop->signal_watch);
	uv_run(&loop->uv, UV_RUN_DEFAULT); /* what is deferred, what is closing */
	uv_close((uv_handle_t *)&loop->idle, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->turn_timer, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	assert(uv_loop_close(&loop->uv) == 0);
	if (loop->signal_fd >= 0)
		close(loop->signal_fd);
	free(loop->deferred);
	free(loop);
	return NULL;
}

void loop_run(struct loop *loop)
{
	loop->turn_began_ns = clock_now_ns(); /* what was done before is no turn */
	loop->idle_before_ns = uv_metrics_idle_time(&loop->uv);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

bool loop_is_alive(const struct loop *loop)
{
	return uv_loop_alive(&loop->uv);
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

/* Timers run before the poll too: one that is due by then must keep it from waiting for ever. */
static void on_turn_timeout(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

void loop_turn(struct loop *loop, int timeout_ms)
{
	if (timeout_ms < 0) {
		uv_run(&loop->uv, UV_RUN_ONCE);
		return;
	}
	uv_update_time(&loop->uv);
	uv_timer_start(&loop->turn_timer, on_turn_timeout, (uint64_t)timeout_ms, 0);
	uv_run(&loop->uv, UV_RUN_ONCE);
	uv_timer_stop(&loop->turn_timer);
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
	return &loop->uv;
}

uint64_t loop_longest_turn_ns(struct loop *loop, bool reset)
{
	uint64_t longest = loop->longest_ns;

	if (reset)
		loop->longest_ns = 0;
	return longest;
}

const char *loop_longest_turn_part(const struct loop *loop)
{
	return loop->longest_part;
}

/* ---- descriptors ---- */

static void on_poll(uv_poll_t *poll, int status, int uv_events);

static void watch_again(struct loop_fd *w)
{
	int uv_events = 0;

	if (w->events & LOOP_READ)
		uv_events |= UV_READABLE;
	if (w->events & LOOP_WRITE)
		uv_events |= UV_WRITABLE;
	if (w->events & LOOP_HANGUP)
		uv_events |= UV_DISCONNECT;
	if (uv_events)
		uv_poll_start(&w->poll, uv_events, on_poll);
	else
		uv_poll_stop(&w->poll);
}

static void on_poll(uv_poll_t *poll, int status, int uv_events)
{
	struct loop_fd *w = poll->data;
	uint64_t began = clock_now_ns();
	const char *part = w->part;
	unsigned events = 0;

	if (status < 0) {
		/* libuv has stopped the watcher. The owner finds the error by reading or writing, perhaps behind data
		 * that it reads in several turns, so the watch goes on. */
		events = w->events;
		watch_again(w);
	} else {
		if (uv_events & UV_READABLE)
			events |= LOOP_READ;
		if (uv_events & UV_WRITABLE)
			events |= LOOP_WRITE;
		if (uv_events & UV_DISCONNECT)
			events |= LOOP_HANGUP;
	}
	if (events)
		w->fn(w->user, events);
	count_part(owner_of(poll->loop), part, began);
}

int loop_fd_new_part(struct loop *loop, int fd, loop_fd_fn *fn, void *user, const char *part, struct loop_fd **ret,
		     struct error *err)
{
	struct loop_fd *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return error_set(err, -ENOMEM, "no memory for a watcher");
	r = uv_poll_init(&loop->uv, &w->poll, fd);
	if (r < 0) {
		free(w);
		return error_set_errno(err, r, "watching descriptor %d", fd);
	}
	w->poll.data = w;
	w->part = part;
	w->fn = fn;
	w->user = user;
	*ret = w;
	return 0;
}

void loop_fd_watch(struct loop_fd *w, unsigned events)
{
	if (events == w->events)
		return;
	w->events = events;
	watch_again(w);
}

void loop_fd_background(struct loop_fd *w, bool background)
{
	if (background)
		uv_unref((uv_handle_t *)&w->poll);
	else
		uv_ref((uv_handle_t *)&w->poll);
}

static void on_closed_fd(uv_handle_t *handle)
{
	free(handle->data);
}

struct loop_fd *loop_fd_free(struct loop_fd *w)
{
	if (w)
		uv_close((uv_handle_t *)&w->poll, on_closed_fd);
	return NULL;
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *timer)
{
	struct loop *loop = owner_of(timer->loop);
	struct loop_timer *t = timer->data;
	uint64_t began = clock_now_ns();
	const char *part = t->part;

	t->fn(t->user);
	count_part(loop, part, began);
}

int loop_timer_new_part(struct loop *loop, loop_timer_fn *fn, void *user, const char *part, struct loop_timer **ret,
			struct error *err)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return error_set(err, -ENOMEM, "no memory for a timer");
	uv_timer_init(&loop->uv, &t->timer);
	t->timer.data = t;
	t->part = part;
	t->fn = fn;
	t->user = user;
	*ret = t;
	return 0;
}

void loop_timer_start(struct loop_timer *t, uint64_t ms)
{
	uv_update_time(t->timer.loop); /* a long turn must not shorten the wait */
	uv_timer_start(&t->timer, on_timer, ms, 0);
}

void loop_timer_stop(struct loop_timer *t)
{
	uv_timer_stop(&t->timer);
}

bool loop_timer_armed(const struct loop_timer *t)
{
	return uv_is_active((const uv_handle_t *)&t->timer);
}

static void on_closed_timer(uv_handle_t *handle)
{
	free(handle->data);
}

struct loop_timer *loop_timer_free(struct loop_timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->timer, on_closed_timer);
	return NULL;
}

/* ---- next turn, other threads, signals ---- */

void loop_defer_part(struct loop *loop, void (*fn)(void *user), void *user, const char *part)
{
	if (loop->deferred_count == loop->deferred_cap) {
		size_t cap = loop->deferred_cap ? loop->deferred_cap * 2 : 16;

		loop->deferred = realloc(loop->deferred, cap * sizeof(*loop->deferred));
		if (!loop->deferred)
			abort();
		loop->deferred_cap = cap;
	}
	loop->deferred[loop->deferred_count++] = (struct deferred){fn, user, part};
	uv_idle_start(&loop->idle, on_idle);
}

static void on_work(uv_work_t *work)
{
	struct loop_work *w = work->data;

	w->run(w->user);
}

static void on_work_done(uv_work_t *work, int status)
{
	struct loop_work *w = work->data;
	uint64_t began = clock_now_ns();

	(void)status; /* never cancelled */
	w->done(w->user);
	count_part(owner_of(work->loop), w->part, began);
	free(w);
}

int loop_work_start_part(struct loop *loop, void (*run)(void *user), void (*done)(void *user), void *user,
			 const char *part, struct error *err)
{
	struct loop_work *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return error_set(err, -ENOMEM, "no memory for work on another thread");
	w->work.data = w;
	w->run = run;
	w->done = done;
	w->user = user;
	w->part = part;
	r = uv_queue_work(&loop->uv, &w->work, on_work, on_work_done);
	if (r < 0) {
		free(w);
		return error_set_errno(err, r, "starting work on another thread");
	}
	return 0;
}

static void on_signal(void *user, unsigned events)
{
	struct loop *loop = user;
	struct signalfd_siginfo info;

	(void)events;
	while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info))
		loop->signal_fn(loop->signal_user, (int)info.ssi_signo);
}

int loop_signals_start(struct loop *loop, const int *signals, loop_signal_fn *fn, void *user, struct error *err)
{
	sigset_t set;
	int r;

	assert(loop->signal_fd < 0);
	sigemptyset(&set);
	for (; *signals; signals++)
		sigaddset(&set, *signals);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd < 0)
		return error_set_errno(err, -errno, "reading signals");
	loop->signal_fn = fn;
	loop->signal_user = user;
	r = loop_fd_new(loop, loop->signal_fd, on_signal, loop, &loop->signal_watch, err);
	if (r < 0)
		return r;
	loop_fd_watch(loop->signal_watch, LOOP_READ);
	loop_fd_background(loop->signal_watch, true);
	return 0;
}
