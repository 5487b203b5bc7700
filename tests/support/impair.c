// SPDX-License-Identifier: Apache-2.0
// impair [OPTION...] INTERFACE_A INTERFACE_B: forward frames between two interfaces as a bad
// network would. For tests, where the kernel has no netem and a seed has to bring a failure back.
//
//   [client] veth ~~~~ A [impair] B ~~~~ veth [sluiced]
//
// Prints "ready seed=N" when it forwards, and its counters as one JSON object when SIGINT, SIGTERM
// or --for ends it. Both ends need `ethtool -K ... tx off tso off gso off gro off`: frames whose
// checksum the sender left to hardware are forwarded as they are and counted as `unfilled`.
#include "tests/support/impairment.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BURST 64
#define QUEUE_DEFAULT 1024
#define QUEUE_MAX 65536
#define SOCKET_BUFFER (8 << 20)

#define COUNTERS(X)                                                                                \
	X(received)                                                                                \
	X(sent)                                                                                    \
	X(lost)                                                                                    \
	X(duplicated)                                                                              \
	X(corrupted)                                                                               \
	X(reordered)                                                                               \
	X(overflowed) /* the queue was full */                                                     \
	X(refused) /* the interface did not take it */                                             \
	X(oversized)                                                                               \
	X(unfilled) /* sent on with a checksum left to hardware */                                 \
	X(missed) /* the socket's buffer was full before us */

// One way through.
struct direction {
	unsigned number;
	int from;
	int to;
	struct impairment_queue queue;
	uint64_t last_due_ns; // of frames that keep their order
#define X(name) uint64_t name;
	COUNTERS(X)
#undef X
};

static volatile sig_atomic_t stopping;

static void on_signal(int) {
	stopping = 1;
}

static uint64_t now_ns(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int interface_open(const char *name) {
	int buffer = SOCKET_BUFFER, one = 1;
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int fd;

	if (addr.sll_ifindex == 0)
		return -errno;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	promiscuous.mr_ifindex = addr.sll_ifindex;
	// A larger buffer than the system allows is a matter for SO_RCVBUFFORCE; without it the
	// socket keeps its default.
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0
	    || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0
	    || setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous))
		    < 0
	    || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

// The kernel takes VLAN tags out of the frame and gives them beside it.
static uint32_t tag_restore(uint8_t *frame, uint32_t len, const struct tpacket_auxdata *aux) {
	uint16_t proto = ETH_P_8021Q;

	if (!(aux->tp_status & TP_STATUS_VLAN_VALID) || len < ETH_HLEN)
		return len;
	if (aux->tp_status & TP_STATUS_VLAN_TPID_VALID)
		proto = aux->tp_vlan_tpid;
	uint16_t tag[2] = {htons(proto), htons(aux->tp_vlan_tci)};
	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, tag, sizeof(tag));
	return len + 4;
}

// One frame with its tag. 0 = none there.
static uint32_t frame_read(struct direction *d, uint8_t *frame, uint32_t room) {
	struct iovec iov = {.iov_base = frame, .iov_len = room - 4};
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(d->from, &msg, MSG_TRUNC);
	uint32_t len;

	if (n <= 0)
		return 0;
	len = (uint32_t)n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		struct tpacket_auxdata aux;
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		d->unfilled += (aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
		if (len <= room - 4)
			len = tag_restore(frame, len, &aux);
	}
	return len;
}

static void
hold(struct direction *d,
     const struct impairment *i,
     const struct fate *f,
     const uint8_t *frame,
     uint32_t len,
     uint64_t now) {
	uint64_t due = now + i->delay_ns + f->jitter_ns;

	if (f->late)
		due += i->reorder_ns;
	else if (due < d->last_due_ns)
		due = d->last_due_ns;
	if (!f->late)
		d->last_due_ns = due;
	if (!impairment_queue_put(&d->queue, due, frame, len))
		d->overflowed++;
}

static void frame_treat(
	struct direction *d,
	const struct impairment *i,
	uint8_t *frame,
	uint32_t len,
	uint64_t now
) {
	struct fate f = impairment_fate(i, d->number, d->received++, len);

	if (len > IMPAIRMENT_FRAME_MAX) {
		d->oversized++;
		return;
	}
	if (f.lost) {
		d->lost++;
		return;
	}
	if (f.corrupt_bit >= 0) {
		frame[f.corrupt_bit / 8] ^= (uint8_t)(1 << f.corrupt_bit % 8);
		d->corrupted++;
	}
	d->reordered += f.late;
	hold(d, i, &f, frame, len, now);
	if (f.duplicated) {
		d->duplicated++;
		hold(d, i, &f, frame, len, now);
	}
}

static void direction_turn(struct direction *d, const struct impairment *i) {
	static uint8_t frame[IMPAIRMENT_FRAME_MAX + 8];
	const struct held *h;

	for (int k = 0; k < BURST; k++) {
		uint32_t len = frame_read(d, frame, sizeof(frame));
		if (len == 0)
			break;
		frame_treat(d, i, frame, len, now_ns());
	}
	for (int k = 0; k < BURST && (h = impairment_queue_peek(&d->queue, now_ns())) != NULL;
	     k++) {
		if (send(d->to, h->bytes, h->len, 0) == (ssize_t)h->len)
			d->sent++;
		else
			d->refused++;
		impairment_queue_drop(&d->queue);
	}
}

static void wait_for_work(struct direction ways[2], uint64_t end_ns) {
	struct pollfd fds[2] = {
		{.fd = ways[0].from, .events = POLLIN},
		{.fd = ways[1].from, .events = POLLIN},
	};
	uint64_t now = now_ns(), next = end_ns;
	struct timespec t = {.tv_sec = 1};

	for (int i = 0; i < 2; i++)
		if (impairment_queue_due(&ways[i].queue) < next)
			next = impairment_queue_due(&ways[i].queue);
	if (next <= now)
		t = (struct timespec) {0};
	else if (next - now < 1000000000)
		t = (struct timespec) {.tv_nsec = (long)(next - now)};
	ppoll(fds, 2, &t, NULL);
}

static void direction_print(struct direction *d, const char *name) {
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	if (getsockopt(d->from, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		d->missed = stats.tp_drops;
	printf(",\"%s\":{\"waiting\":%" PRIu32, name, d->queue.count);
#define X(counter) printf(",\"" #counter "\":%" PRIu64, d->counter);
	COUNTERS(X)
#undef X
	printf("}");
}

static int usage(const char *why) {
	fprintf(stderr,
		"impair: %s\n"
		"usage: impair [--seed N] [--loss PERCENT] [--duplicate PERCENT] [--corrupt "
		"PERCENT]\n"
		"              [--reorder PERCENT] [--reorder-ms MS] [--delay-ms MS] [--jitter-ms "
		"MS]\n"
		"              [--queue FRAMES] [--for SECONDS] INTERFACE_A INTERFACE_B\n",
		why);
	return 2;
}

static bool number(const char *text, double max, double *out) {
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out >= 0 && *out <= max;
}

struct options {
	struct impairment impairment;
	uint32_t queue;
	uint64_t for_ns; // 0 = until a signal
};

enum option_id {
	SEED = 1,
	LOSS,
	DUPLICATE,
	CORRUPT,
	REORDER,
	REORDER_MS,
	DELAY,
	JITTER_MS,
	QUEUE,
	FOR
};

static const struct option long_options[] = {
	{"seed", required_argument, NULL, SEED},
	{"loss", required_argument, NULL, LOSS},
	{"duplicate", required_argument, NULL, DUPLICATE},
	{"corrupt", required_argument, NULL, CORRUPT},
	{"reorder", required_argument, NULL, REORDER},
	{"reorder-ms", required_argument, NULL, REORDER_MS},
	{"delay-ms", required_argument, NULL, DELAY},
	{"jitter-ms", required_argument, NULL, JITTER_MS},
	{"queue", required_argument, NULL, QUEUE},
	{"for", required_argument, NULL, FOR},
	{},
};

static uint32_t ppm_of(double percent) {
	return (uint32_t)(percent * (PPM / 100.0) + 0.5);
}

static bool option_set(struct options *o, int id, const char *text) {
	struct impairment *i = &o->impairment;
	bool percent = id >= LOSS && id <= REORDER;
	double v;

	if (id == SEED) {
		char *end;
		i->seed = strtoull(text, &end, 0);
		return end != text && *end == '\0';
	}
	if (!number(text, percent ? 100 : id == QUEUE ? QUEUE_MAX : 86400, &v))
		return false;
	switch (id) {
	case LOSS:
		i->loss_ppm = ppm_of(v);
		break;
	case DUPLICATE:
		i->duplicate_ppm = ppm_of(v);
		break;
	case CORRUPT:
		i->corrupt_ppm = ppm_of(v);
		break;
	case REORDER:
		i->reorder_ppm = ppm_of(v);
		break;
	case REORDER_MS:
		i->reorder_ns = (uint64_t)(v * 1e6);
		break;
	case DELAY:
		i->delay_ns = (uint64_t)(v * 1e6);
		break;
	case JITTER_MS:
		i->jitter_ns = (uint64_t)(v * 1e6);
		break;
	case QUEUE:
		o->queue = (uint32_t)v;
		return v >= 1;
	case FOR:
		o->for_ns = (uint64_t)(v * 1e9);
		break;
	default:
		return false;
	}
	return true;
}

static void forward(struct direction ways[2], const struct options *o) {
	uint64_t end = o->for_ns > 0 ? now_ns() + o->for_ns : UINT64_MAX;

	printf("ready seed=%" PRIu64 "\n", o->impairment.seed);
	fflush(stdout);
	while (!stopping && now_ns() < end) {
		wait_for_work(ways, end);
		direction_turn(&ways[0], &o->impairment);
		direction_turn(&ways[1], &o->impairment);
	}
	printf("{\"seed\":%" PRIu64, o->impairment.seed);
	direction_print(&ways[0], "a_to_b");
	direction_print(&ways[1], "b_to_a");
	printf("}\n");
}

int main(int argc, char **argv) {
	struct options o = {
		.impairment = {.seed = now_ns(), .reorder_ns = 5000000},
		.queue = QUEUE_DEFAULT,
	};
	struct sigaction stop = {.sa_handler = on_signal};
	struct direction ways[2] = {{.number = 0}, {.number = 1}};
	int id, fds[2];

	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (id == '?' || !option_set(&o, id, optarg))
			return usage(id == '?' ? "unknown option" : optarg);
	if (argc - optind != 2)
		return usage("two interfaces are needed");
	for (int i = 0; i < 2; i++) {
		fds[i] = interface_open(argv[optind + i]);
		if (fds[i] < 0) {
			fprintf(stderr, "impair: %s: %s\n", argv[optind + i], strerror(-fds[i]));
			return 1;
		}
		if (impairment_queue_init(&ways[i].queue, o.queue) < 0) {
			fprintf(stderr, "impair: no memory for %" PRIu32 " frames\n", o.queue);
			return 1;
		}
	}
	ways[0].from = ways[1].to = fds[0];
	ways[1].from = ways[0].to = fds[1];
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	forward(ways, &o);
	for (int i = 0; i < 2; i++) {
		impairment_queue_fini(&ways[i].queue);
		close(fds[i]);
	}
	return 0;
}
