// SPDX-License-Identifier: Apache-2.0
// The ledgers: every frame, message and record leaves through exactly one counted door.
//
//   frames    rx + taken_over + copied = consumed + handed_over + punted + dropped(reason) +
//                                        in_reassembly
//   messages  received        = accepted + refused(reason) + duplicate + shed(reason)
//   records   accepted        = delivered + dead_lettered + in_spool + in_flight + reduced +
//                               expired + lost(reason)
//   derived   made            = delivered + in_flight + shed + lost
//
// All counters are monotonic except the gauges in_spool, in_flight and
// in_reassembly. Each struct ledger has one
// writer (a worker); readers take a snapshot between two bursts (see dataplane/stats).
// A frame handed to another worker is `handed_over` there and `taken_over` here.
#pragma once

#include "config/finding.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Why a frame went no further. One reason, one counter.
#define DROP_REASONS(X)                                                                            \
	X(DROP_L2_SHORT, "l2-short")                                                               \
	X(DROP_L2_SOURCE, "l2-source-invalid")                                                     \
	X(DROP_L2_NOT_OURS, "l2-not-ours")                                                         \
	X(DROP_ETHERTYPE, "ethertype-unknown")                                                     \
	X(DROP_VLAN_UNKNOWN, "vlan-unknown")                                                       \
	X(DROP_VLAN_STACKED, "vlan-stacked")                                                       \
	X(DROP_ARP_BAD, "arp-malformed")                                                           \
	X(DROP_ARP_NOT_OURS, "arp-not-ours")                                                       \
	X(DROP_IP_SHORT, "ip-short")                                                               \
	X(DROP_IP_VERSION, "ip-version")                                                           \
	X(DROP_IP_LENGTH, "ip-length")                                                             \
	X(DROP_IP_CHECKSUM, "ip-checksum")                                                         \
	X(DROP_IP_SOURCE, "ip-source-invalid")                                                     \
	X(DROP_IP_NOT_OURS, "ip-not-ours")                                                         \
	X(DROP_BLOCKED, "source-blocked")                                                          \
	X(DROP_IP_TTL, "ip-hop-limit")                                                             \
	X(DROP_IP_OPTIONS, "ip-options")                                                           \
	X(DROP_IP6_EXTENSION, "ip6-extension")                                                     \
	X(DROP_IP_PROTOCOL, "ip-protocol-unknown")                                                 \
	X(DROP_FRAGMENT_BAD, "fragment-malformed")                                                 \
	X(DROP_FRAGMENT_FULL, "fragment-table-full")                                               \
	X(DROP_FRAGMENT_EXPIRED, "fragment-expired")                                               \
	X(DROP_FRAGMENT_TCP, "fragment-tcp")                                                       \
	X(DROP_ICMP_BAD, "icmp-malformed")                                                         \
	X(DROP_ICMP_LIMIT, "icmp-rate-limit")                                                      \
	X(DROP_ICMP_IGNORED, "icmp-ignored")                                                       \
	X(DROP_ND_BAD, "nd-malformed")                                                             \
	X(DROP_NEIGHBOUR_LIMIT, "neighbour-rate-limit")                                            \
	X(DROP_UDP_SHORT, "udp-short")                                                             \
	X(DROP_UDP_LENGTH, "udp-length")                                                           \
	X(DROP_UDP_CHECKSUM, "udp-checksum")                                                       \
	X(DROP_UDP_NO_LISTENER, "udp-no-listener")                                                 \
	X(DROP_TCP_SHORT, "tcp-short")                                                             \
	X(DROP_TCP_CHECKSUM, "tcp-checksum")                                                       \
	X(DROP_TCP_NO_LISTENER, "tcp-no-listener")                                                 \
	X(DROP_TCP_STATE, "tcp-rejected")                                                          \
	X(DROP_PUNT_LIMIT, "exception-rate-limit")                                                 \
	X(DROP_PUNT_FULL, "exception-queue-full")                                                  \
	X(DROP_HANDOVER_FULL, "handover-ring-full")                                                \
	X(DROP_MBUF_EMPTY, "mbuf-pool-empty")                                                      \
	X(DROP_MIRROR, "mirror-not-followed")

// Refused for good: the sender must not try the same message again.
#define REFUSE_REASONS(X)                                                                          \
	X(REFUSE_MALFORMED, "malformed")                                                           \
	X(REFUSE_FORMAT, "format-unsupported")                                                     \
	X(REFUSE_TOO_LARGE, "too-large")                                                           \
	X(REFUSE_NO_DEVICE, "no-device")                                                           \
	X(REFUSE_DEVICE_UNKNOWN, "device-unknown")                                                 \
	X(REFUSE_DEVICE_STATE, "device-not-active")                                                \
	X(REFUSE_BLOCKED, "blocked")                                                               \
	X(REFUSE_CLAIM, "claim-denied")                                                            \
	X(REFUSE_UNTRUSTED, "source-untrusted")                                                    \
	X(REFUSE_PROTECTION, "protection-failed")                                                  \
	X(REFUSE_REPLAY, "replayed")                                                               \
	X(REFUSE_PROTOCOL, "protocol-error")                                                       \
	X(REFUSE_PATH, "path-unknown")                                                             \
	X(REFUSE_METHOD, "method-not-allowed")                                                     \
	X(REFUSE_VALIDATION, "validation")                                                         \
	X(REFUSE_SIGNATURE, "signature")                                                           \
	X(REFUSE_SINK, "sink-refused")

// Not accepted now: the sender may try again, and nothing was acknowledged.
#define SHED_REASONS(X)                                                                            \
	X(SHED_IN_FLIGHT, "in-flight-limit")                                                       \
	X(SHED_NO_BATCH, "no-batch-buffer")                                                        \
	X(SHED_NO_TOKEN, "no-ack-slot")                                                            \
	X(SHED_SINK_UNKNOWN, "sink-not-ready")                                                     \
	X(SHED_TABLE_FULL, "session-table-full")                                                   \
	X(SHED_UPLOAD_LIMIT, "upload-limit")                                                       \
	X(SHED_QUOTA, "quota")                                                                     \
	X(SHED_DRAINING, "draining")                                                               \
	X(SHED_MARK, "replay-mark-not-stored")                                                     \
	X(SHED_LATE, "late-share-used")                                                            \
	X(SHED_HANDOVER, "device-handover")

#define LOST_REASONS(X) X(LOST_SINK_PERMANENT, "sink-permanent-error")

#define X(id, label) id,
enum drop_reason : uint8_t { DROP_REASONS(X) DROP_REASON_COUNT, DROP_NONE = 255 };
enum refuse_reason : uint8_t { REFUSE_REASONS(X) REFUSE_REASON_COUNT };
enum shed_reason : uint8_t { SHED_REASONS(X) SHED_REASON_COUNT };
enum lost_reason : uint8_t { LOST_REASONS(X) LOST_REASON_COUNT };
#undef X

const char *drop_reason_label(enum drop_reason r);
const char *refuse_reason_label(enum refuse_reason r);
const char *shed_reason_label(enum shed_reason r);
const char *lost_reason_label(enum lost_reason r);

#define TRANSPORTS(X)                                                                              \
	X(TRANSPORT_UDP, "udp")                                                                    \
	X(TRANSPORT_FRAME, "frame")                                                                \
	X(TRANSPORT_COAP, "coap")                                                                  \
	X(TRANSPORT_MQTT, "mqtt")                                                                  \
	X(TRANSPORT_REPLAY, "replay") /* dead letters sent through the pipeline again */

#define X(id, label) id,
enum transport : uint8_t { TRANSPORTS(X) TRANSPORT_COUNT };
#undef X
const char *transport_label(enum transport t);

// What the stages between decode and encode did. They are no doors: the ledgers above are.
// One line per counter: id, stage, label.
#define STAGE_COUNTERS(X)                                                                          \
	X(STAGE_QUARANTINED, "quarantine", "records")                                              \
	X(STAGE_FLAGGED, "validate", "flagged")                                                    \
	X(STAGE_DEVICES_NEW, "devices", "new")                                                     \
	X(STAGE_DEVICES_EVICTED, "devices", "evicted")                                             \
	X(STAGE_DEVICES_NO_ROOM, "devices", "no-room")                                             \
	X(STAGE_DEVICES_STATELESS, "devices", "elsewhere-stateless")                               \
	X(STAGE_HANDOVER_ASKED, "devices", "handovers")                                            \
	X(STAGE_HANDOVER_PARKED, "devices", "parked")                                              \
	X(STAGE_HANDOVER_PINNED, "devices", "pinned")                                              \
	X(STAGE_HANDOVER_COPIED, "devices", "copied-to-owner")                                     \
	X(STAGE_DEDUP_KEYED, "dedup", "keyed")                                                     \
	X(STAGE_DEDUP_ATTACHED, "dedup", "attached")                                               \
	X(STAGE_DEDUP_FULL, "dedup", "window-full")                                                \
	X(STAGE_GAP_NUMBERS, "validate", "gap-numbers")                                            \
	X(STAGE_LATE_PARKED, "late", "waited")                                                     \
	X(STAGE_FIELDS_NO_ROOM, "validate", "fields-without-state")                                \
	X(STAGE_ALERTS_RAISED, "alerts", "raised")                                                 \
	X(STAGE_ALERTS_CLEARED, "alerts", "cleared")                                               \
	X(STAGE_ALERTS_HELD, "alerts", "no-room")

enum stage_counter : uint8_t {
#define X(id, stage, label) id,
	STAGE_COUNTERS(X)
#undef X
		STAGE_COUNTER_COUNT
};
const char *stage_counter_stage(enum stage_counter c);
const char *stage_counter_label(enum stage_counter c);

struct ledger_stages {
	uint64_t found[FINDING_COUNT]; // records with that finding
	uint64_t counters[STAGE_COUNTER_COUNT];
};

struct ledger_frames {
	uint64_t rx;
	uint64_t taken_over;
	uint64_t consumed;
	uint64_t handed_over;
	uint64_t punted;
	uint64_t copied; // made here for other workers or the exception port
	uint64_t in_reassembly; // gauge: fragments that wait for the rest of their datagram
	uint64_t dropped[DROP_REASON_COUNT];
};

struct ledger_messages {
	uint64_t received;
	uint64_t accepted;
	uint64_t duplicate;
	uint64_t refused[REFUSE_REASON_COUNT];
	uint64_t shed[SHED_REASON_COUNT];
	uint64_t acked; // the contract was met and the device told, where its protocol has a way
};

struct ledger_records {
	uint64_t accepted;
	uint64_t delivered;
	uint64_t dead_lettered;
	uint64_t in_spool; // gauge
	uint64_t in_flight; // gauge
	uint64_t reduced;
	uint64_t expired;
	uint64_t lost[LOST_REASON_COUNT];
	uint64_t weak; // of delivered: acknowledged by a topic weaker than the contract asks
};

// Messages we make ourselves: dead letters, checkpoints, alerts.
struct ledger_derived {
	uint64_t made;
	uint64_t delivered;
	uint64_t in_flight; // gauge
	uint64_t shed;
	uint64_t lost;
};

struct ledger {
	struct ledger_frames frames;
	struct ledger_messages messages[TRANSPORT_COUNT];
	struct ledger_records records[TRANSPORT_COUNT];
	struct ledger_derived derived;
	struct ledger_stages stages;
};

// sum += one, counter by counter.
void ledger_add(struct ledger *sum, const struct ledger *one);

// True if all four equations hold; otherwise `why` names the first that does not, with its terms.
bool ledger_balanced(const struct ledger *l, char *why, size_t why_len);
