// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/adapters.h"
#include "dataplane/daemon.h"
#include "dataplane/eal.h"
#include "dataplane/egress.h"
#include "dataplane/listener.h"
#include "dataplane/log.h"
#include "dataplane/replay.h"
#include "dataplane/signatures.h"
#include "dataplane/signatures_check.h"
#include "dataplane/status.h"
#include "dataplane/worker.h"
#include "pipelines/device_state.h"
#include "pipelines/kafka_topics.h"

#include <rte_malloc.h>

#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_SUBSYSTEM "replay"
#define START_NS NS_PER_S // monotonic time of the first frame
#define PRESSURE_MAX 50 // percent of the in-flight budget before reading waits for the sink
#define SETTLE_TRIES 30000 // of 1 ms
#define EPOCH 1 // the same in every run: output must not depend on when it was made

struct replay {
	struct config *config;
	struct clock clock;
	struct adapters_shared shared;
	struct listener_table *listeners;
	struct port ports[CONFIG_PORTS_MAX];
	struct rte_mempool *pool;
	struct egress *egress;
	struct worker *worker;
	struct status *status;
	int64_t first_wall_ns; // 0 before the first frame
	uint64_t frames;
};

static int setup(struct replay *r, enum replay_out out, char *why, size_t why_len) {
	struct config *c = r->config;
	uint32_t culprit;
	int ret;

	// One worker, no devices, a memory area of its own; the rest is as configured.
	c->dataplane.workers = 1;
	for (uint32_t p = 0; p < c->port_count; p++) {
		c->ports[p].device_count = 0;
		c->ports[p].exception_tap[0] = '\0';
	}
	snprintf(
		c->dataplane.file_prefix,
		sizeof(c->dataplane.file_prefix),
		"sluice-replay-%d",
		getpid()
	);
	c->pipeline.late_share =
		100; // a capture is read as fast as the sink takes it, whatever its age
	if (out == REPLAY_JSON) {
		c->egress.sink = SINK_FILE;
		snprintf(c->egress.file_path, sizeof(c->egress.file_path), "/dev/stdout");
		c->egress.checkpoint_ms = 0;
	}
	if (out == REPLAY_SIGNATURES)
		c->egress.sink = SINK_DISCARD;
	ret = eal_start(c, why, why_len);
	if (ret != 0)
		return ret;
	clock_init(&r->clock);
	r->shared.appliance_epoch = EPOCH;
	ret = listener_table_create(c, &r->listeners, &culprit);
	r->shared.listeners = r->listeners;
	if (ret == 0)
		ret = device_states_configure(c, 1, r->shared.secret, &r->shared.states);
	if (ret == 0)
		ret = signatures_create(c, 1, &r->shared.signatures, why, why_len);
	if (ret == 0)
		ret = kafka_topics_resolve(c, 15000, why, why_len);
	if (ret == 0)
		ret = egress_create(c, 1, &r->clock, EPOCH, &r->egress, why, why_len);
	if (ret != 0)
		return ret;
	r->pool = worker_pool_create(c, 0);
	if (r->pool == nullptr) {
		snprintf(why, why_len, "no memory for packet buffers: raise dataplane.memory");
		return -1;
	}
	for (uint32_t p = 0; p < c->port_count; p++) {
		r->ports[p].config = &c->ports[p];
		r->ports[p].exception_ethdev = UINT16_MAX;
		r->ports[p].net.mtu = (uint16_t)c->ports[p].mtu;
		r->ports[p].net.mac = (struct rte_ether_addr) {{2, 0, 0, 0, 0, 1}};
		r->ports[p].net.transmits = false;
	}
	struct worker_env env = {
		.count = 1,
		.config = c,
		.clock = &r->clock,
		.ports = r->ports,
		.pool = r->pool,
		.egress = r->egress,
		.shared = &r->shared,
	};
	return worker_create(&env, &r->worker, why, why_len);
}

// Do not outrun the sink: nothing may be shed in a replay.
static void wait_for_sink(struct replay *r, unsigned pressure) {
	for (unsigned i = 0; i < SETTLE_TRIES; i++) {
		worker_settle(r->worker, r->worker->now_ns);
		if (pipeline_pressure(r->worker->pipeline) <= pressure)
			return;
		usleep(1000);
	}
}

static void frame_input_at(struct replay *r, const struct pcap_pkthdr *h, const uint8_t *bytes) {
	// The handle delivers nanoseconds in tv_usec.
	int64_t wall = (int64_t)h->ts.tv_sec * (int64_t)NS_PER_S + h->ts.tv_usec;
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

	if (r->first_wall_ns == 0) {
		r->first_wall_ns = wall;
		atomic_store(&r->clock.wall_offset_ns, wall - (int64_t)START_NS);
	}
	uint64_t now_ns =
		wall > r->first_wall_ns ? (uint64_t)(wall - r->first_wall_ns) + START_NS : START_NS;
	if (now_ns < r->worker->now_ns)
		now_ns = r->worker->now_ns; // captures may step back; time does not
	if (m == nullptr)
		return;
	char *room = rte_pktmbuf_append(m, (uint16_t)h->caplen);
	if (room == nullptr || h->caplen > UINT16_MAX) {
		log_warn("frame of %u bytes is larger than a packet buffer, left out", h->caplen);
		rte_pktmbuf_free(m);
		return;
	}
	memcpy(room, bytes, h->caplen);
	r->frames++;
	worker_feed(r->worker, 0, &m, 1, now_ns);
	if (pipeline_pressure(r->worker->pipeline) > PRESSURE_MAX)
		wait_for_sink(r, PRESSURE_MAX / 2);
}

static int file_replay(struct replay *r, const char *file) {
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const uint8_t *bytes;
	int ret;
	pcap_t *p = pcap_open_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);

	if (p == nullptr) {
		log_error("%s: %s", file, why);
		return -1;
	}
	if (pcap_datalink(p) != DLT_EN10MB) {
		log_error(
			"%s: link type %s, only Ethernet is understood",
			file,
			pcap_datalink_val_to_name(pcap_datalink(p))
		);
		pcap_close(p);
		return -1;
	}
	while ((ret = pcap_next_ex(p, &h, &bytes)) == 1)
		frame_input_at(r, h, bytes);
	if (ret == PCAP_ERROR)
		log_error("%s: %s", file, pcap_geterr(p));
	pcap_close(p);
	return ret == PCAP_ERROR ? -1 : 0;
}

static void finish(struct replay *r) {
	pipeline_seal_all(r->worker->pipeline);
	for (unsigned i = 0; i < SETTLE_TRIES && !pipeline_idle(r->worker->pipeline); i++) {
		worker_settle(r->worker, r->worker->now_ns);
		usleep(1000);
	}
	egress_stop(r->egress, 5000);
	worker_settle(r->worker, r->worker->now_ns);
}

static void destroy(struct replay *r) {
	egress_destroy(r->egress);
	worker_destroy(r->worker);
	device_states_destroy(r->shared.states);
	signatures_destroy(r->shared.signatures);
	listener_table_destroy(r->listeners);
	free(r->status);
	config_free(r->config);
}

int replay_run(
	const char *config_path,
	const char *signatures,
	enum replay_out out,
	char *const *files,
	int file_count
) {
	static struct replay r;
	char why[512] = "";
	int status = EXIT_STATUS_OK;

	r.config = daemon_load_config(config_path);
	if (r.config == nullptr)
		return EXIT_STATUS_CONFIG;
	if (signatures != nullptr)
		snprintf(
			r.config->match.signatures,
			sizeof(r.config->match.signatures),
			"%s",
			signatures
		);
	r.status = calloc(1, sizeof(*r.status));
	if (r.status == nullptr || setup(&r, out, why, sizeof(why)) != 0) {
		log_error("%s", why[0] != '\0' ? why : "set-up failed");
		destroy(&r);
		return EXIT_STATUS_START;
	}
	for (int i = 0; i < file_count; i++)
		if (file_replay(&r, files[i]) != 0)
			status = EXIT_STATUS_START;
	finish(&r);
	r.status->config = r.config;
	r.status->epoch = EPOCH;
	r.status->worker_count = 1;
	r.status->uptime_ns = r.worker->now_ns;
	worker_report_now(r.worker);
	egress_stats(r.egress, &r.status->egress);
	status_collect(r.status, &r.worker, r.ports);
	if (out == REPLAY_SIGNATURES)
		signatures_print(r.shared.signatures, r.frames);
	else
		status_print(r.status, stderr);
	if (!status_balanced(r.status, why, sizeof(why)))
		status = EXIT_STATUS_LEDGER;
	destroy(&r);
	return status;
}
