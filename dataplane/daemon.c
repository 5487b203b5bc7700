// SPDX-License-Identifier: Apache-2.0
#include "config/select.h"
#include "dataplane/config_loader.h"
#include "dataplane/control.h"
#include "dataplane/daemon.h"
#include "dataplane/daemon_private.h"
#include "dataplane/eal.h"
#include "dataplane/egress.h"
#include "dataplane/frame/devices.h"
#include "dataplane/letters/letters.h"
#include "dataplane/listener.h"
#include "dataplane/log.h"
#include "dataplane/mqtt/shared.h"
#include "dataplane/notify.h"
#include "dataplane/signatures.h"
#include "dataplane/status.h"
#include "dataplane/topics.h"
#include "dataplane/why.h"
#include "pipelines/device_state.h"

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
#include <sys/signalfd.h>
#include <unistd.h>

#define LOG_SUBSYSTEM "sluiced"
#define CONFIG_ERRORS_MAX 32
#define MARKS_EVERY_MS 20 // how soon a device that runs ahead gets its next replay mark
#define STATUS_EVERY_NS 1000000000ull
#define EGRESS_STOP_MS 500

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

bool daemon_wait(struct daemon *d, int timeout_ms) {
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
		if (daemon_wait(d, turn_ms(d)))
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
	int ret = d.status != nullptr ? daemon_start(&d, why, sizeof(why)) : -ENOMEM;
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
