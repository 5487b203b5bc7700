// SPDX-License-Identifier: Apache-2.0
// An alert, raised or cleared, as one JSON object in the alert topic (docs/record.md): about a
// field of a device, a device, or a peer. Hot path.
#pragma once

#include "config/profile.h"
#include "pipelines/envelope.h"
#include "pipelines/field_alert.h"
#include "pipelines/record.h"

struct pipeline;

// What an alert is about beside a field's thresholds.
#define WATCH_KINDS(X)                                                                             \
	X(WATCH_FLAPPING, "flapping-connections")                                                  \
	X(WATCH_IDENTITY, "cloned-identity")                                                       \
	X(WATCH_RATE, "rate")                                                                      \
	X(WATCH_SCAN, "port-scan")                                                                 \
	X(WATCH_BAN, "ban-declined")

enum watch_kind : uint8_t {
#define X(id, label) id,
	WATCH_KINDS(X)
#undef X
		WATCH_KIND_COUNT
};

struct alert {
	bool raise; // else clear
	const char *kind; // label
	enum transport transport;
	uint16_t realm;
	struct view device; // empty: not known
	struct view peer; // address, empty: not known
	const char *profile; // "": not known
	struct view field; // empty: not about a field
	double value, limit, z; // of a field
	uint64_t count; // of anything else: what was counted
	uint32_t signature; // that is the reason; 0: none is
	int64_t time_ns; // device time, of a field
	int64_t arrival_ns;
	uint64_t rx_ns;
};

const char *alert_kind_label(enum alert_kind k);
const char *watch_kind_label(enum watch_kind k);

uint32_t alert_bound(const struct alert *a);
uint32_t alert_encode(const struct envelope *e, const struct alert *a, uint8_t *at);

// Send it, or only count it where no alert topic is configured. False: there is no room now. What
// was to be told has then not been told, and the state that says so must stay as it was.
bool alert_send(struct pipeline *p, const struct alert *a);
