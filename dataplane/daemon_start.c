// SPDX-License-Identifier: Apache-2.0
#include "dataplane/config_loader.h"
#include "dataplane/control.h"
#include "dataplane/daemon_private.h"
#include "dataplane/eal.h"
#include "dataplane/egress.h"
#include "dataplane/epoch.h"
#include "dataplane/frame/devices.h"
#include "dataplane/letters/letters.h"
#include "dataplane/listener.h"
#include "dataplane/log.h"
#include "dataplane/mqtt/shared.h"
#include "dataplane/notify.h"
#include "dataplane/privileges.h"
#include "dataplane/signatures.h"
#include "dataplane/topics.h"
#include "dataplane/why.h"
#include "pipelines/device_state.h"
#include "pipelines/kafka_topics.h"

#include <rte_launch.h>
#include <rte_malloc.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define LOG_SUBSYSTEM "sluiced"
#define TOPICS_RESOLVE_MS 15000
#define TOPICS_EVERY_NS 2000000000ull // between two looks for a topic that is missing
#define NOTIFY_WAITS                                                                               \
	"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=waiting for topics that Kafka does not have"

static int ports_start(struct daemon *d, char *why, size_t why_len) {
	const struct config *c = d->config;
	int ret = 0;

	for (uint16_t w = 0; w < d->worker_count; w++) {
		d->pools[w] = worker_pool_create(c, w);
		if (d->pools[w] == nullptr) {
			snprintf(
				why,
				why_len,
				"no memory for %u packet buffers per worker: raise "
				"dataplane.memory_mib "
				"(now %u) or lower dataplane.mbufs",
				c->dataplane.mbufs,
				c->dataplane.memory_mib
			);
			return -ENOMEM;
		}
	}
	for (uint16_t p = 0; p < c->port_count && ret == 0; p++) {
		ret = port_open(c, p, d->pools, &d->ports[p], why, why_len);
		if (ret == 0)
			d->ports_open++;
	}
	return ret;
}

static int workers_start(struct daemon *d, char *why, size_t why_len) {
	struct worker_env env = {
		.count = d->worker_count,
		.config = d->config,
		.clock = &d->clock,
		.ports = d->ports,
		.egress = d->egress,
		.shared = &d->shared,
	};
	int ret = mqtt_shared_create(
		d->config,
		d->shared.secret,
		control_passwords(d->control),
		&d->shared.mqtt,
		why,
		why_len
	);

	for (uint16_t w = 0; w < d->worker_count && ret == 0; w++) {
		env.index = w;
		env.pool = d->pools[w];
		ret = worker_create(&env, &d->workers[w], why, why_len);
	}
	if (ret == 0) {
		ret = workers_connect(d->workers, d->worker_count);
		if (ret != 0)
			snprintf(why, why_len, "rings between workers: %s", strerror(-ret));
	}
	return ret;
}

static bool takes_frames(const struct config *c) {
	bool takes = c->frame.keys != nullptr;

	for (uint32_t i = 0; i < c->listener_count && !takes; i++)
		takes = c->listeners[i].protocol == LISTEN_FRAME;
	return takes;
}

// What all workers read: names, secrets, listeners, keys.
static int shared_start(struct daemon *d, char *why, size_t why_len) {
	const struct config *c = d->config;
	struct adapters_shared *s = &d->shared;
	uint32_t culprit = 0;
	char marks[300];

	int ret = epoch_next(c->state_dir, &s->appliance_epoch);
	if (ret == 0)
		ret = identity_key(c->state_dir, s->identity);
	if (ret == 0 && getrandom(s->secret, sizeof(s->secret), 0) != sizeof(s->secret))
		ret = -EIO;
	if (ret != 0) {
		snprintf(why, why_len, "state directory %s: %s", c->state_dir, strerror(-ret));
		return ret;
	}
	ret = listener_table_create(c, &d->listeners, &culprit);
	if (ret != 0) {
		snprintf(
			why,
			why_len,
			"listener %s: %s",
			ret == -EEXIST ? c->listeners[culprit].name : "table",
			ret == -EEXIST ? "another listener has the same realm, address and port"
				       : strerror(-ret)
		);
		return ret;
	}
	s->listeners = d->listeners;
	bool frames = takes_frames(c);
	snprintf(marks, sizeof(marks), "%s/replay-marks", c->state_dir);
	ret = frame_devices_load(
		c->frame.keys,
		frames ? marks : nullptr,
		c->frame.devices,
		&d->frame_devices,
		why,
		why_len
	);
	if (ret != 0)
		return ret;
	s->frame_devices = frames ? d->frame_devices : nullptr;
	ret = device_states_configure(c, d->worker_count, s->secret, &s->states);
	if (ret != 0) {
		snprintf(why, why_len, "device states: %s: lower pipeline.devices", strerror(-ret));
		return ret;
	}
	ret = control_create(
		c, d->worker_count, s->secret, s->appliance_epoch, d->frame_devices, &d->control
	);
	if (ret != 0) {
		snprintf(why, why_len, "no memory for the device table");
	} else {
		s->gates = control_gates(d->control);
		s->blocks = control_blocks(d->control);
		s->desks = control_desks(d->control);
	}
	return ret;
}

// From here on the configuration may change under the workers.
static int loader_start(struct daemon *d, char *why, size_t why_len) {
	const struct settings_env env = {
		.base = d->config,
		.workers = d->worker_count,
		.frame_devices = d->shared.frame_devices,
		.mqtt = d->shared.mqtt,
		.secret = d->shared.secret,
	};
	struct settings *first = nullptr;
	int ret = settings_first(&env, d->listeners, &first);

	if (ret == 0) {
		d->listeners = nullptr; // they belong to the first generation now
		ret = config_loader_create(&env, first, d->egress, &d->loader);
	}
	if (ret != 0) {
		if (d->shared.mqtt != nullptr)
			auth_thread_stop(d->shared.mqtt->thread);
		settings_free(first, nullptr);
		snprintf(why, why_len, "no memory for the configuration");
		return ret;
	}
	for (uint16_t w = 0; w < d->worker_count; w++)
		worker_follow(d->workers[w], config_loader_seat(d->loader, w));
	control_loader(d->control, GENERATION_CONFIG, config_loader_ops(d->loader));
	return 0;
}

static int letters_start(struct daemon *d, char *why, size_t why_len) {
	int ret = lane_create(&d->shared.letters);

	d->shared.why =
		rte_zmalloc("why", d->worker_count * sizeof(*d->shared.why), RTE_CACHE_LINE_SIZE);
	if (ret == 0 && d->shared.why == nullptr)
		ret = -ENOMEM;
	if (ret != 0)
		snprintf(why, why_len, "no memory for letters: raise dataplane.memory");
	else
		ret = letters_create(d->config, d->shared.letters, &d->letters, why, why_len);
	if (ret == 0)
		control_errand(
			d->control, CHANNEL_LETTERS, "for dead letters", letters_errand(d->letters)
		);
	if (ret == 0 && (ret = topics_create(d->config, &d->topics)) != 0)
		snprintf(why, why_len, "out of memory");
	if (ret == 0)
		control_errand(
			d->control, CHANNEL_TOPICS, "about topics", topics_errand(d->topics)
		);
	if (ret == 0)
		control_why(d->control, d->shared.why);
	return ret;
}

static int workers_launch(struct daemon *d, char *why, size_t why_len) {
	for (uint16_t w = 0; w < d->worker_count; w++) {
		int ret = rte_eal_remote_launch(worker_loop, d->workers[w], eal_worker_lcore(w));
		if (ret != 0) {
			snprintf(why, why_len, "worker %u did not start: %s", w, strerror(-ret));
			return ret;
		}
		d->launched++;
	}
	return 0;
}

// After the drop of privileges: the cache belongs to the user we run as.
static int signatures_start(struct daemon *d, char *why, size_t why_len) {
	int ret =
		signatures_create(d->config, d->worker_count, &d->shared.signatures, why, why_len);

	if (ret == 0)
		control_signatures(d->control, d->shared.signatures);
	return ret;
}

// A topic that Kafka does not have is waited for: ports are open, but no worker runs and no device
// is answered. Meanwhile the control plane is served, so that an operator can make the topic with
// us. -ECANCELED: told to stop.
static int topics_wait(struct daemon *d, char *why, size_t why_len) {
	static const char waits[] = "sluiced waits for its topics";
	char said[512] = "";
	uint64_t due_ns = 0;

	for (;;) {
		uint64_t now_ns = clock_now_ns(&d->clock);
		if (now_ns >= due_ns && !control_loading(d->control)) {
			int ret = kafka_topics_resolve(d->config, TOPICS_RESOLVE_MS, why, why_len);
			if (ret != -ENOENT) {
				control_waits(d->control, nullptr);
				return ret;
			}
			if (strcmp(said, why) != 0)
				log_warn("waiting: %s", why);
			snprintf(said, sizeof(said), "%s", why);
			control_waits(d->control, waits);
			notify_send(NOTIFY_WAITS);
			due_ns = clock_now_ns(&d->clock) + TOPICS_EVERY_NS;
		}
		if (daemon_wait(d, control_loading(d->control) ? LOADING_EVERY_MS : SUPERVISE_MS))
			return -ECANCELED;
		control_turn(d->control, d->status, true, false, clock_now_ns(&d->clock));
	}
}

int daemon_start(struct daemon *d, char *why, size_t why_len) {
	struct config *c = d->config;
	cpu_set_t housekeeping;

	int ret = privileges_own_directories(c, why, why_len);
	if (ret != 0)
		return ret;
	ret = shared_start(d, why, why_len);
	if (ret != 0)
		return ret;
	ret = ports_prepare(c, why, why_len);
	if (ret == 0)
		ret = eal_start(c, why, why_len);
	if (ret != 0)
		return ret;
	d->eal = true;
	// Threads made from now on (librdkafka's too) stay off the workers' CPUs.
	eal_housekeeping_cpus(c, &housekeeping);
	pthread_setaffinity_np(pthread_self(), sizeof(housekeeping), &housekeeping);
	clock_init(&d->clock);
	clock_refresh(&d->clock, c->state_dir);
	d->started_ns = clock_now_ns(&d->clock);

	ret = ports_start(d, why, why_len);
	if (ret == 0)
		ret = letters_start(d, why, why_len);
	if (ret == 0)
		ret = privileges_drop(c, why, why_len);
	if (ret == 0)
		ret = topics_wait(d, why, why_len);
	if (ret == 0)
		ret = egress_create(
			c,
			d->worker_count,
			&d->clock,
			d->shared.appliance_epoch,
			&d->egress,
			why,
			why_len
		);
	if (ret == 0)
		ret = signatures_start(d, why, why_len);
	if (ret == 0)
		ret = workers_start(d, why, why_len);
	if (ret == 0)
		ret = loader_start(d, why, why_len);
	if (ret == 0)
		ret = workers_launch(d, why, why_len);
	return ret;
}
