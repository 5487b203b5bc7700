// SPDX-License-Identifier: Apache-2.0
// mqtt_publish HOST CONNECTIONS INFLIGHT SECONDS: QoS 1 publishers through the kernel's TCP, one
// thread and epoll, for comparing brokers. One line of JSON with the client's own CPU time, which
// tells where the client is the limit, and the time from PUBLISH to its PUBACK.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define IDS 0x8000u
#define INFLIGHT_MAX 20 // what mosquitto and our Receive Maximum both allow
#define PACKET_MAX 128
#define HISTOGRAM_US (1u << 18)

struct device {
	int fd;
	uint32_t sent, answered;
	double sent_at[INFLIGHT_MAX]; // of the message after `sent` others, modulo this
	uint8_t part[4]; // of an answer
	uint8_t part_len;
	bool connected;
};

static struct device *devices;
static unsigned connected, inflight;
static uint64_t published, answered;
static bool publishing;
static uint32_t histogram[HISTOGRAM_US]; // of microseconds

static double now_s(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void) {
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec)
		+ (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void give_up(const char *what) {
	fprintf(stderr, "mqtt_publish: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_whole(int fd, const uint8_t *bytes, size_t len) {
	// The window of messages is far below any socket buffer: a short write is a failure.
	if (write(fd, bytes, len) != (ssize_t)len)
		give_up("write");
}

static void publish(struct device *d, unsigned index, unsigned count) {
	static const char reading[] =
		"{\"temperature\":21.40,\"humidity\":55.25,\"battery\":3.61,\"rssi\":-45}";
	uint8_t out[INFLIGHT_MAX * PACKET_MAX];
	double now = now_s();
	size_t n = 0;

	for (unsigned i = 0; i < count; i++) {
		uint8_t *p = out + n;
		d->sent_at[d->sent % INFLIGHT_MAX] = now;
		uint32_t id = 1 + d->sent++ % IDS;
		int topic = snprintf((char *)p + 4, 32, "t/gen-%07u/env", index);
		uint8_t *q = p + 4 + topic;
		*q++ = (uint8_t)(id >> 8);
		*q++ = (uint8_t)id;
		memcpy(q, reading, sizeof(reading) - 1);
		q += sizeof(reading) - 1;
		p[0] = 0x32;
		p[1] = (uint8_t)(q - p - 2);
		p[2] = 0;
		p[3] = (uint8_t)topic;
		n += (size_t)(q - p);
	}
	published += count;
	write_whole(d->fd, out, n);
}

static void device_open(unsigned index, const struct sockaddr_in *to, int poll) {
	struct device *d = &devices[index];
	uint8_t hello[] = "\x10\x17\0\4MQTT\4\2\x0e\x10\0\x0bgen-0000000";
	char name[24];
	int one = 1;

	d->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (d->fd < 0 || connect(d->fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		give_up("connect");
	setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	snprintf(name, sizeof(name), "gen-%07u", index);
	memcpy(hello + 14, name, 11);
	write_whole(d->fd, hello, sizeof(hello) - 1);
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = index};
	if (epoll_ctl(poll, EPOLL_CTL_ADD, d->fd, &e) != 0)
		give_up("epoll_ctl");
}

static void answer(struct device *d, double now) {
	const uint8_t *p = d->part;

	if (!d->connected && p[0] == 0x20 && p[3] == 0) {
		d->connected = true;
		connected++;
		return;
	}
	if (p[0] != 0x40 || (uint32_t)(p[2] << 8 | p[3]) != 1 + d->answered % IDS) {
		fprintf(stderr, "mqtt_publish: unexpected answer %02x\n", p[0]);
		exit(1);
	}
	double us = (now - d->sent_at[d->answered % INFLIGHT_MAX]) * 1e6;
	histogram[us < HISTOGRAM_US ? (uint32_t)us : HISTOGRAM_US - 1]++;
	d->answered++;
	answered++;
}

static void device_read(unsigned index) {
	struct device *d = &devices[index];
	uint8_t bytes[512];
	ssize_t n = read(d->fd, bytes, sizeof(bytes));

	if (n <= 0)
		give_up("read");
	double now = now_s();
	for (ssize_t i = 0; i < n; i++) {
		d->part[d->part_len++] = bytes[i];
		if (d->part_len == 4) {
			d->part_len = 0;
			answer(d, now);
		}
	}
	unsigned room = inflight - (d->sent - d->answered);
	if (publishing && room > 0)
		publish(d, index, room);
}

static uint32_t quantile_us(double q) {
	uint64_t below = 0;
	uint32_t us = 0;

	while (us < HISTOGRAM_US - 1 && (double)(below += histogram[us]) < q * (double)answered)
		us++;
	return us;
}

static void turn(int poll) {
	struct epoll_event events[EVENTS];
	int n = epoll_wait(poll, events, EVENTS, 100);

	for (int i = 0; i < n; i++)
		device_read(events[i].data.u32);
}

int main(int argc, char **argv) {
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1883)};

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fputs("usage: mqtt_publish HOST CONNECTIONS INFLIGHT SECONDS\n", stderr);
		return 2;
	}
	unsigned count = (unsigned)(int)strtol(argv[2], nullptr, 10);
	inflight = (unsigned)(int)strtol(argv[3], nullptr, 10);
	double seconds = strtod(argv[4], nullptr), end = now_s() + 30;
	int poll = epoll_create1(0);
	devices = calloc(count, sizeof(*devices));
	if (devices == nullptr || poll < 0 || inflight < 1 || inflight > INFLIGHT_MAX)
		give_up("start");
	for (unsigned i = 0; i < count; i++)
		device_open(i, &to, poll);
	while (connected < count && now_s() < end)
		turn(poll);
	if (connected < count)
		give_up("not all connected");
	puts("{\"phase\":\"connected\"}");
	fflush(stdout);

	publishing = true;
	double start = now_s(), cpu = cpu_s();
	for (unsigned i = 0; i < count; i++)
		publish(&devices[i], i, inflight);
	while (now_s() - start < seconds)
		turn(poll);
	seconds = now_s() - start;
	printf("{\"seconds\":%.3f,\"answered\":%lu,\"answered_per_s\":%.0f,\"client_cpu_s\":%.3f,"
	       "\"p50_us\":%u,\"p99_us\":%u}\n",
	       seconds,
	       answered,
	       (double)answered / seconds,
	       cpu_s() - cpu,
	       quantile_us(0.5),
	       quantile_us(0.99));
	fflush(stdout);
	// What is in flight is answered before the connections go.
	publishing = false;
	end = now_s() + 5;
	while (answered < published && now_s() < end)
		turn(poll);
	return answered == published ? 0 : 1;
}
