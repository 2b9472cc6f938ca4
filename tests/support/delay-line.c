/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long cable: moves IP packets between two TUN descriptors, each way DELAY_US microseconds later. For machines whose
 * kernel has no netem.
 *
 *     delay-line DELAY_US FD FD      stdin: 'd' drops all packets from now on, 'p' lets them pass; its end ends us
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKETS_MAX = 1 << 16, PACKET_BYTES = 2048, PACKETS_A_TURN = 64 };

struct packet {
	uint64_t due;
	uint32_t len;
	uint8_t bytes[];
};

/* One direction; a ring. What does not fit is lost, as on any cable. */
struct line {
	int from, to;
	struct packet *ring[PACKETS_MAX];
	uint32_t head, tail;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void line_take(struct line *l, uint64_t delay, bool drop)
{
	static uint8_t bytes[PACKET_BYTES];

	for (int i = 0; i < PACKETS_A_TURN; i++) {
		ssize_t n = read(l->from, bytes, sizeof(bytes));
		struct packet *p;

		if (n <= 0)
			return;
		if (drop || l->tail - l->head == PACKETS_MAX || !(p = malloc(sizeof(*p) + (size_t)n)))
			continue;
		p->due = now_ns() + delay;
		p->len = (uint32_t)n;
		memcpy(p->bytes, bytes, (size_t)n);
		l->ring[l->tail++ % PACKETS_MAX] = p;
	}
}

/* When the next packet is due, UINT64_MAX: there is none. */
static uint64_t line_give(struct line *l, bool drop)
{
	while (l->head != l->tail) {
		struct packet *p = l->ring[l->head % PACKETS_MAX];

		if (p->due > now_ns())
			return p->due;
		if (!drop)
			(void)!write(l->to, p->bytes, p->len);
		free(p);
		l->head++;
	}
	return UINT64_MAX;
}

int main(int argc, char **argv)
{
	static struct line there, back;
	uint64_t delay = argc == 4 ? strtoull(argv[1], NULL, 10) * 1000 : 0;
	bool drop = false;

	if (argc != 4) {
		fprintf(stderr, "usage: delay-line DELAY_US FD FD\n");
		return 2;
	}
	there.from = back.to = atoi(argv[2]);
	there.to = back.from = atoi(argv[3]);
	fcntl(there.from, F_SETFL, O_NONBLOCK);
	fcntl(back.from, F_SETFL, O_NONBLOCK);
	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		struct pollfd fds[] = {{0, POLLIN, 0}, {there.from, POLLIN, 0}, {back.from, POLLIN, 0}};
		uint64_t a = line_give(&there, drop), b = line_give(&back, drop), due = a < b ? a : b, now = now_ns();
		uint64_t wait = due > now ? due - now : 0;
		struct timespec t = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
		char word;

		if (ppoll(fds, 3, due == UINT64_MAX ? NULL : &t, NULL) < 0 && errno != EINTR)
			return 1;
		line_take(&there, delay, drop);
		line_take(&back, delay, drop);
		if (fds[0].revents) {
			if (read(0, &word, 1) <= 0)
				return 0;
			drop = word == 'd';
		}
	}
}
