// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/select.h"
#include "dataplane/adapters.h"
#include "dataplane/config_loader.h"
#include "dataplane/control.h"
#include "dataplane/daemon.h"
#include "dataplane/eal.h"
#include "dataplane/egress.h"
#include "dataplane/epoch.h"
#include "dataplane/frame/devices.h"
#include "dataplane/letters/letters.h"
#include "dataplane/listener.h"
#include "dataplane/log.h"
#include "dataplane/mqtt/shared.h"
#include "dataplane/notify.h"
#include "dataplane/port.h"
#include "dataplane/privileges.h"
#include "dataplane/signatures.h"
#include "dataplane/status.h"
#include "dataplane/topics.h"
#include "dataplane/why.h"
#include "dataplane/worker.h"
#include "pipelines/device_state.h"
#include "pipelines/kafka_topics.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOG_SUBSYSTEM "sluiced"
#define CONFIG_ERRORS_MAX 32
#define TOPICS_RESOLVE_MS 15000
#define TOPICS_EVERY_NS 2000000000ull // between two looks for a topic that is missing
#define NOTIFY_WAITS                                                                               \
	"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=waiting for topics that Kafka does not have"
#define MARKS_EVERY_MS 20 // how soon a device that runs ahead gets its next replay mark
#define SUPERVISE_MS 250
#define LOADING_EVERY_MS 1 // while workers take over a new generation
#define STATUS_EVERY_NS 1000000000ull
#define EGRESS_STOP_MS 500

// Everything that runs, in order of creation; daemon_stop() undoes whatever part exists.
struct daemon {
	struct config *config;
	struct clock clock;
	struct adapters_shared shared;
	struct listener_table *listeners;
	struct frame_devices
		*frame_devices; // the registry's keys, even if no listener takes frames
	uint64_t started_ns;
	bool eal;
	struct rte_mempool *pools[WORKERS_MAX];
	struct port ports[CONFIG_PORTS_MAX];
	uint16_t ports_open;
	struct egress *egress;
	struct worker *workers[WORKERS_MAX];
	uint16_t worker_count;
	uint16_t launched;
	int signals; // signalfd
	struct status *status;
	struct control *control;
	struct config_loader *loader;
	struct letters *letters;
	struct topics *topics;
};

// What is right, and still not as it should be.
static void warn(const struct config *c, const char *path) {
	uint32_t shared = profile_select_shared(c->selector);

	if (shared > SELECT_SHARED_MANY)
		fprintf(stderr, "%s: warning: " SELECT_SHARED_WARNING "\n", path, shared);
}

struct config *daemon_load_config(const char *path) {
	static struct config_error errors[CONFIG_ERRORS_MAX];
	struct config *c = nullptr;
	uint32_t count = 0;

	int ret = config_load(path, &c, errors, CONFIG_ERRORS_MAX, &count);
	if (ret == 0) {
		warn(c, path);
		return c;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (errors[i].line > 0)
			fprintf(stderr,
				"%s:%" PRIu32 ": %s\n",
				errors[i].file,
				errors[i].line,
				errors[i].text);
		else
			fprintf(stderr, "%s: %s\n", errors[i].file, errors[i].text);
	}
	if (count == 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-ret));
	return nullptr;
}

static int signals_open(void) {
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	// Before any thread exists, so that all of them inherit the mask.
	pthread_sigmask(SIG_BLOCK, &set, nullptr);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

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

static bool wait_for_work(struct daemon *d, int timeout_ms);

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
		if (wait_for_work(d, control_loading(d->control) ? LOADING_EVERY_MS : SUPERVISE_MS))
			return -ECANCELED;
		control_turn(d->control, d->status, true, false, clock_now_ns(&d->clock));
	}
}

static int start(struct daemon *d, char *why, size_t why_len) {
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

static struct memory_use states_memory(const struct daemon *d) {
	const struct device_states *s = d->shared.states;
	struct memory_use m = {};

	if (s == nullptr)
		return m;
	m.reserved = s->bytes;
	m.capacity = (uint64_t)s->sets * s->homes * DEVICE_WAYS;
	for (uint16_t w = 0; w < d->worker_count; w++) {
		const uint64_t *n = d->status->workers[w].ledger.stages.counters;
		m.used += n[STAGE_DEVICES_NEW] - n[STAGE_DEVICES_EVICTED];
	}
	return m;
}

static void status_update(struct daemon *d) {
	char path[300];

	d->status->uptime_ns = clock_now_ns(&d->clock) - d->started_ns;
	status_collect(d->status, d->workers, d->ports);
	d->status->memory.part[MEMORY_DEVICES] = control_memory(d->control);
	d->status->memory.part[MEMORY_STATES] = states_memory(d);
	egress_stats(d->egress, &d->status->egress);
	d->status->topic_count = egress_topics(d->egress, d->status->topics, STATUS_TOPICS_MAX);
	snprintf(path, sizeof(path), "%s/status.json", d->config->run_dir);
	int ret = status_write_json(d->status, path);
	if (ret != 0)
		log_warn("status not written path=%s: %s", path, strerror(-ret));
}

static bool stop_requested(struct daemon *d) {
	struct signalfd_siginfo info;

	while (read(d->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGUSR1)
			return true;
		if (d->launched == 0)
			continue; // nothing to show yet
		status_update(d);
		status_print(d->status, stderr);
	}
	return false;
}

static void marks_flush(struct daemon *d) {
	if (d->shared.frame_devices == nullptr)
		return;
	int ret = frame_devices_flush(d->frame_devices);
	// Frames beyond their mark stay parked and are shed at their deadline: nothing is accepted
	// whose mark is not on disk.
	if (ret < 0)
		log_error("replay marks not stored: %s", strerror(-ret));
}

// Signals, or word from the control plane.
static bool wait_for_work(struct daemon *d, int timeout_ms) {
	struct pollfd fds[] = {
		{.fd = d->signals, .events = POLLIN},
		{.fd = control_fd(d->control), .events = POLLIN},
	};

	return poll(fds, 2, timeout_ms) > 0 && fds[0].revents != 0 && stop_requested(d);
}

static int turn_ms(const struct daemon *d) {
	if (control_busy(d->control))
		return 1;
	if (control_loading(d->control))
		return LOADING_EVERY_MS;
	return d->shared.frame_devices != nullptr ? MARKS_EVERY_MS : SUPERVISE_MS;
}

static void supervise(struct daemon *d, unsigned for_s) {
	uint64_t end_ns = for_s > 0 ? clock_now_ns(&d->clock) + for_s * 1000000000ull : UINT64_MAX;
	uint64_t status_ns = 0;
	char why[256];
	bool alarmed = false;

	while (clock_now_ns(&d->clock) < end_ns) {
		if (wait_for_work(d, turn_ms(d)))
			break;
		marks_flush(d);
		bool due = clock_now_ns(&d->clock) >= status_ns;
		if (due) {
			status_ns = clock_now_ns(&d->clock) + STATUS_EVERY_NS;
			notify_send("WATCHDOG=1");
			clock_refresh(&d->clock, d->config->state_dir);
			status_update(d);
			bool balanced = status_balanced(d->status, why, sizeof(why));
			if (!balanced && !alarmed)
				log_error("ledger does not balance: %s", why);
			alarmed = !balanced;
		}
		control_turn(d->control, d->status, !alarmed, due, clock_now_ns(&d->clock));
	}
}

// What was not waited for. Records without a result were acknowledged to nobody; an answer without
// its client's acknowledgement is about records that the sink has.
static void drain_report(struct daemon *d, bool drained, uint32_t drain_ms) {
	struct worker_rest rest = {0};
	uint64_t records = 0;
	struct worker_report r;

	for (uint16_t w = 0; w < d->launched; w++) {
		if (worker_snapshot(d->workers[w], &r) != 0)
			continue;
		for (enum transport t = 0; t < TRANSPORT_COUNT; t++)
			records += r.ledger.records[t].in_flight;
		rest.coap.requests += r.rest.coap.requests;
		rest.coap.answers += r.rest.coap.answers;
		rest.mqtt_messages += r.rest.mqtt_messages;
		rest.mqtt_connections += r.rest.mqtt_connections;
	}
	if (!drained)
		log_warn(
			"not drained within drain_ms=%u: records without a result=%" PRIu64
			", acknowledged to nobody: coap requests=%u mqtt messages=%u; mqtt "
			"connections open=%u",
			drain_ms,
			records,
			rest.coap.requests,
			rest.mqtt_messages,
			rest.mqtt_connections
		);
	if (rest.coap.answers > 0)
		log_notice(
			"coap answers sent and not acknowledged by their clients: %u",
			rest.coap.answers
		);
}

static void drain(struct daemon *d) {
	uint32_t drain_ms = config_loader_current(d->loader)->config->dataplane.drain_ms;
	uint64_t deadline = clock_now_ns(&d->clock) + drain_ms * 1000000ull;
	uint16_t drained = 0;

	for (uint16_t w = 0; w < d->launched; w++)
		worker_drain(d->workers[w]);
	while (drained < d->launched && clock_now_ns(&d->clock) < deadline) {
		usleep(2000);
		drained = 0;
		for (uint16_t w = 0; w < d->launched; w++)
			drained += worker_drained(d->workers[w]);
	}
	drain_report(d, drained == d->launched, drain_ms);
}

// Egress ends first: workers go on taking results until it has.
static void stop(struct daemon *d) {
	if (d->egress != nullptr)
		egress_stop(d->egress, EGRESS_STOP_MS);
	for (uint16_t w = 0; w < d->launched; w++)
		worker_stop(d->workers[w]);
	for (uint16_t w = 0; w < d->launched; w++)
		rte_eal_wait_lcore(eal_worker_lcore(w));
	if (d->frame_devices != nullptr && frame_devices_save(d->frame_devices) < 0)
		log_error("replay marks not stored: after the next start devices skip ahead");
}

static void destroy(struct daemon *d) {
	letters_destroy(d->letters);
	topics_destroy(d->topics);
	egress_destroy(d->egress);
	for (uint16_t w = 0; w < d->worker_count; w++)
		worker_destroy(d->workers[w]);
	if (d->shared.mqtt != nullptr)
		auth_thread_stop(d->shared.mqtt->thread); // before its table is gone
	config_loader_destroy(d->loader);
	lane_destroy(d->shared.letters);
	rte_free(d->shared.why);
	mqtt_shared_destroy(d->shared.mqtt);
	device_states_destroy(d->shared.states);
	for (uint16_t p = 0; p < d->ports_open; p++)
		port_close(&d->ports[p]);
	listener_table_destroy(d->listeners);
	control_destroy(d->control);
	signatures_destroy(d->shared.signatures);
	frame_devices_destroy(d->frame_devices); // the snapshot has its keys
	if (d->eal)
		eal_stop();
	free(d->status);
	config_free(d->config);
	if (d->signals >= 0)
		close(d->signals);
}

int daemon_run(const char *config_path, unsigned for_s) {
	static struct daemon d; // not on the stack: ports alone are kilobytes
	char why[512] = "";
	int status = EXIT_STATUS_START;

	notify_init();
	d.signals = signals_open();
	d.config = daemon_load_config(config_path);
	if (d.config == nullptr)
		return EXIT_STATUS_CONFIG;
	d.worker_count = (uint16_t)d.config->dataplane.workers;
	d.status = calloc(1, sizeof(*d.status));
	int ret = d.status != nullptr ? start(&d, why, sizeof(why)) : -ENOMEM;
	if (ret != 0) {
		if (ret != -ECANCELED)
			log_error("%s", why[0] != '\0' ? why : "out of memory");
		stop(&d);
		destroy(&d);
		return ret == -ECANCELED ? EXIT_STATUS_OK : EXIT_STATUS_START;
	}
	d.status->config = d.config;
	d.status->epoch = d.shared.appliance_epoch;
	d.status->worker_count = d.worker_count;
	status_update(&d);
	log_notice(
		"running appliance=%s epoch=%" PRIu64 " workers=%u ports=%u listeners=%u%s",
		d.config->appliance,
		d.shared.appliance_epoch,
		d.worker_count,
		d.config->port_count,
		d.config->listener_count,
		d.config->lab ? " lab=true (not for production)" : ""
	);
	notify_send("READY=1");
	supervise(&d, for_s);
	notify_send("STOPPING=1");
	log_notice("draining");
	drain(&d);
	stop(&d);
	status_update(&d);
	status_print(d.status, stderr);
	if (status_balanced(d.status, why, sizeof(why)))
		status = EXIT_STATUS_OK;
	else
		status = EXIT_STATUS_LEDGER;
	destroy(&d);
	return status;
}
