// SPDX-License-Identifier: Apache-2.0
#include "dataplane/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
// A dead clock never falls below the time this was built (2026-11-01).
#define BUILD_FLOOR_NS (1793491200ll * NS_PER_S)

void clock_init(struct clock *c) {
	c->base_tsc = rte_rdtsc();
	c->ns_per_tick_32 = (uint64_t)(((unsigned __int128)NS_PER_S << 32) / rte_get_tsc_hz());
	atomic_init(&c->wall_offset_ns, 0);
	atomic_init(&c->quality, CLOCK_UNKNOWN);
	atomic_init(&c->max_error_us, UINT32_MAX);
}

static int64_t floor_read(const char *path) {
	int64_t ns = 0;
	FILE *f = fopen(path, "re");

	if (f == nullptr)
		return 0;
	if (fscanf(f, "%" SCNd64, &ns) != 1)
		ns = 0;
	fclose(f);
	return ns;
}

static void floor_write(const char *path, int64_t ns) {
	char text[32];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	int n = snprintf(text, sizeof(text), "%" PRId64 "\n", ns);
	// A torn write reads as an earlier time: harmless.
	(void)!pwrite(fd, text, (size_t)n, 0);
	close(fd);
}

void clock_refresh(struct clock *c, const char *state_dir) {
	struct timex tx = {0};
	struct timespec ts;
	char path[300];

	snprintf(path, sizeof(path), "%s/clock", state_dir);
	clock_gettime(CLOCK_REALTIME, &ts);
	int64_t wall = ts.tv_sec * (int64_t)NS_PER_S + ts.tv_nsec;
	int state = adjtimex(&tx);
	enum clock_quality quality = state == TIME_ERROR ? CLOCK_UNKNOWN : CLOCK_SYNCED;

	int64_t floor_ns = floor_read(path);
	if (floor_ns < BUILD_FLOOR_NS)
		floor_ns = BUILD_FLOOR_NS;
	if (wall < floor_ns) {
		wall = floor_ns;
		quality = CLOCK_UNKNOWN;
	}
	floor_write(path, wall);

	uint64_t now = clock_now_ns(c);
	atomic_store_explicit(&c->wall_offset_ns, wall - (int64_t)now, memory_order_relaxed);
	atomic_store_explicit(&c->quality, quality, memory_order_relaxed);
	atomic_store_explicit(
		&c->max_error_us,
		tx.maxerror > 0 && tx.maxerror < UINT32_MAX ? (uint32_t)tx.maxerror : UINT32_MAX,
		memory_order_relaxed
	);
}
