// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/schema.h"

#include <string.h>

#define LABELS(...) ((const char *const[]) {__VA_ARGS__, NULL})

static const char *const format_labels[] = {
#define X(id, label) [id] = label,
	PAYLOAD_FORMATS(X)
#undef X
		[PAYLOAD_FORMAT_COUNT] = NULL,
};

static const char *const profile_format_labels[] = {
	"as-sent",
#define X(id, label) [id + 1] = label,
	PAYLOAD_FORMATS(X)
#undef X
		[PAYLOAD_FORMAT_COUNT + 1] = NULL,
};

static const char *const step_op_labels[] = {
#define X(id, label) [id] = label,
	STEP_OPS(X)
#undef X
		[STEP_OP_COUNT] = NULL,
};

static const char *const attribute_labels[] = {
#define X(id, label) [id] = label,
	STEP_ATTRIBUTES(X)
#undef X
		[ATTRIBUTE_COUNT] = NULL,
};

#define FIELD(T, f) .offset = offsetof(T, f), .width = sizeof(((T *)0)->f)
#define COUNT(T, f) .count_offset = offsetof(T, f)
#define ELEMENT(T, f, E) .offset = offsetof(T, f), .width = sizeof(E)

#define SECTION(p, h) {.path = p, .type = OPTION_MAP, .help = h}
#define NUMBER(p, T, f, lo, hi, u, def, fl, h)                                                     \
	{.path = p,                                                                                \
	 .type = OPTION_NUMBER,                                                                    \
	 FIELD(T, f),                                                                              \
	 .min = lo,                                                                                \
	 .max = hi,                                                                                \
	 .unit = u,                                                                                \
	 .default_text = def,                                                                      \
	 .flags = fl,                                                                              \
	 .help = h}
#define DURATION(p, T, f, lo, hi, u, def, fl, h)                                                   \
	{.path = p,                                                                                \
	 .type = OPTION_NUMBER,                                                                    \
	 .quantity = QUANTITY_DURATION,                                                            \
	 FIELD(T, f),                                                                              \
	 .min = lo,                                                                                \
	 .max = hi,                                                                                \
	 .unit = u,                                                                                \
	 .default_text = def,                                                                      \
	 .flags = fl,                                                                              \
	 .help = h}
#define SIZE(p, T, f, lo, hi, u, def, fl, h)                                                       \
	{.path = p,                                                                                \
	 .type = OPTION_NUMBER,                                                                    \
	 .quantity = QUANTITY_SIZE,                                                                \
	 FIELD(T, f),                                                                              \
	 .min = lo,                                                                                \
	 .max = hi,                                                                                \
	 .unit = u,                                                                                \
	 .default_text = def,                                                                      \
	 .flags = fl,                                                                              \
	 .help = h}
#define REAL(p, T, f, u, def, fl, h)                                                               \
	{.path = p,                                                                                \
	 .type = OPTION_REAL,                                                                      \
	 FIELD(T, f),                                                                              \
	 .unit = u,                                                                                \
	 .default_text = def,                                                                      \
	 .flags = fl,                                                                              \
	 .help = h}
#define TEXTS(p, T, f, n, lo, hi, fl, h)                                                           \
	{.path = p,                                                                                \
	 .type = OPTION_TEXTS,                                                                     \
	 FIELD(T, f),                                                                              \
	 COUNT(T, n),                                                                              \
	 .min = lo,                                                                                \
	 .max = hi,                                                                                \
	 .flags = fl,                                                                              \
	 .help = h}
#define BOOL(p, T, f, def, fl, h)                                                                  \
	{.path = p, .type = OPTION_BOOL, FIELD(T, f), .default_text = def, .flags = fl, .help = h}
#define ENUM(p, T, f, l, def, fl, h)                                                               \
	{.path = p,                                                                                \
	 .type = OPTION_ENUM,                                                                      \
	 FIELD(T, f),                                                                              \
	 .labels = l,                                                                              \
	 .default_text = def,                                                                      \
	 .flags = fl,                                                                              \
	 .help = h}
#define TEXT(p, T, f, t, lo, def, fl, h)                                                           \
	{.path = p,                                                                                \
	 .type = t,                                                                                \
	 FIELD(T, f),                                                                              \
	 .min = lo,                                                                                \
	 .max = sizeof(((T *)0)->f) - 1,                                                           \
	 .default_text = def,                                                                      \
	 .flags = fl,                                                                              \
	 .help = h}
#define VIEW(p, T, f, h) VIEW_FLAGGED(p, T, f, OPTION_LIVE, h)
#define VIEW_FLAGGED(p, T, f, fl, h)                                                               \
	{.path = p, .type = OPTION_VIEW, FIELD(T, f), .min = 1, .max = 255, .flags = fl, .help = h}
#define LIST(p, T, f, n, E, a, lo, hi, fl, h)                                                      \
	{.path = p,                                                                                \
	 .type = OPTION_LIST,                                                                      \
	 ELEMENT(T, f, E),                                                                         \
	 COUNT(T, n),                                                                              \
	 .array = a,                                                                               \
	 .min = lo,                                                                                \
	 .max = hi,                                                                                \
	 .flags = fl,                                                                              \
	 .help = h}

#define C struct config
#define PORT struct config_port
#define IFACE struct config_interface
#define LISTENER struct config_listener
#define PROFILE struct profile
#define MEASURED struct profile_field
#define STEP struct step_source
#define TOPIC struct config_topic
#define ROUTE struct config_route
#define USER struct config_user
#define LIVE OPTION_LIVE
#define REQUIRED OPTION_REQUIRED

// What a profile does about a finding, as the operator writes it.
#define ACTION_IGNORE "ignore"
#define ACTION_FLAG "flag"
#define ACTION_QUARANTINE "quarantine"
#define ACTION_REFUSE "refuse"
#define CLASS_MALFUNCTION "malfunction"
#define CLASS_ANOMALY "anomaly"
#define CLASS_NOTE "note"
#define CLASS_ATTACK "attack"
#define ON_FINDING(id, label, class, action)                                                       \
	{.path = "profiles[].on." label,                                                           \
	 .type = OPTION_ENUM,                                                                      \
	 .offset = offsetof(PROFILE, on) + (id) * sizeof(enum finding_action),                     \
	 .width = sizeof(enum finding_action),                                                     \
	 .labels = LABELS("ignore", "flag", "quarantine", "refuse"),                               \
	 .default_text = ACTION_##action,                                                          \
	 .flags = OPTION_LIVE,                                                                     \
	 .help = "A finding of class " CLASS_##class "."},

// clang-format off
const struct option config_options[] = {
	TEXT("appliance", C, appliance, OPTION_NAME, 1, "sluice", 0,
		"Name of this appliance. It stands in every record and must differ between appliances that write to the same topics."),
	BOOL("lab", C, lab, "no", 0,
		"This is a laboratory: literal secrets, embedded Kafka, weak topics and the discard sink are allowed."),
	TEXT("run_dir", C, run_dir, OPTION_TEXT, 1, "/run/sluice", 0,
		"Sockets, process ids, the address of the embedded Kafka. Lost at reboot."),
	TEXT("state_dir", C, state_dir, OPTION_TEXT, 1, "/var/lib/sluice", 0,
		"What must survive a restart: epoch, partition map, replay marks."),
	TEXT("user", C, user, OPTION_NAME, 0, "sluice", 0,
		"User that sluiced becomes after start. Empty: it stays who it is, without the capabilities it no longer needs."),

	SECTION("dataplane", "Workers, memory and EAL."),
	NUMBER("dataplane.workers", C, dataplane.workers, 1, WORKERS_MAX, "workers", "1", 0,
		"Poll-mode threads, each with a CPU and a queue of every port."),
	{.path = "dataplane.lcores", .type = OPTION_CPUS, FIELD(C, dataplane.lcores), COUNT(C, dataplane.lcore_count),
		.max = WORKERS_MAX, .help = "CPU of each worker, as many as there are workers. Empty: the last CPUs this process may use."},
	{.path = "dataplane.housekeeping", .type = OPTION_CPUS, FIELD(C, dataplane.housekeeping), COUNT(C, dataplane.housekeeping_count),
		.max = WORKERS_MAX, .help = "CPUs of all other threads. Empty: those that no worker has."},
	SIZE("dataplane.memory", C, dataplane.memory_mib, 64, 1048576, "MiB", "512MiB", 0,
		"Memory reserved for packets, tables and batches. Input cannot make it grow."),
	ENUM("dataplane.huge_pages", C, dataplane.huge_pages, LABELS("auto", "never", "require"), "auto", 0,
		"Use huge pages if there are any, never, or refuse to start without."),
	TEXT("dataplane.file_prefix", C, dataplane.file_prefix, OPTION_NAME, 1, "sluice", 0,
		"EAL file prefix. Two instances on one machine need two."),
	ENUM("dataplane.polling", C, dataplane.polling, LABELS("adaptive", "busy"), "adaptive", LIVE,
		"adaptive: an idle worker sleeps up to 1 ms; on AF_XDP up to 2 ms, until a frame comes. busy: never."),
	NUMBER("dataplane.mbufs", C, dataplane.mbufs, 2048, 1u << 22, "buffers", "16384", 0,
		"Packet buffers per worker."),
	NUMBER("dataplane.flows", C, dataplane.flows, 64, 1u << 24, "flows", "65536", 0,
		"Flows that `flow list` can tell apart per worker, 128 bytes each; MQTT connections do not count."),
	NUMBER("dataplane.rx_descriptors", C, dataplane.rx_descriptors, 64, 32768, "descriptors", "1024", 0,
		"Receive ring of each queue."),
	NUMBER("dataplane.tx_descriptors", C, dataplane.tx_descriptors, 64, 32768, "descriptors", "1024", 0,
		"Transmit ring of each queue."),
	DURATION("dataplane.drain", C, dataplane.drain_ms, 0, 600000, "ms", "10s", LIVE,
		"How long a clean stop may wait for acknowledgements from the sink."),
	BOOL("dataplane.allow_no_iommu", C, dataplane.allow_no_iommu, "no", 0,
		"Drive a PCI device by vfio without an IOMMU. The device can then write to all memory."),

	LIST("ports", C, ports, port_count, PORT, ARRAY_INLINE, 1, CONFIG_PORTS_MAX, REQUIRED,
		"Network ports that belong to sluiced."),
	TEXT("ports[].name", PORT, name, OPTION_NAME, 1, NULL, REQUIRED, "Name of the port."),
	ENUM("ports[].role", PORT, role, LABELS("endpoint", "mirror"), "endpoint", 0,
		"endpoint: owns addresses and answers. mirror: receives a copy of traffic and transmits nothing."),
	{.path = "ports[].devices", .type = OPTION_TEXTS, FIELD(PORT, devices), COUNT(PORT, device_count), .flags = REQUIRED,
		.min = 1, .max = CONFIG_PORT_DEVICES_MAX,
		.help = "PCI addresses (0000:3b:00.0) or EAL device arguments (net_af_xdp0,iface=slu0). Several form one port with as many queues."},
	NUMBER("ports[].mtu", PORT, mtu, 1280, 9216, "bytes", "1500", 0,
		"Largest IP packet. AF_XDP takes up to 3366."),
	BOOL("ports[].promiscuous", PORT, promiscuous, "no", 0,
		"Receive frames for other MAC addresses. A mirror port always does."),
	SECTION("ports[].exception", "The kernel's twin of the port: what the endpoint does not own goes there."),
	TEXT("ports[].exception.tap", PORT, exception_tap, OPTION_NAME, 0, NULL, 0,
		"Kernel interface name of the TAP. Empty: frames that nobody here owns are dropped and counted."),
	NUMBER("ports[].exception.rate", PORT, exception_rate_pps, 1, 1000000, "packets/s", "1000", LIVE,
		"Frames handed to the kernel at most."),
	{.path = "ports[].interfaces", .type = OPTION_LIST, ELEMENT(C, interfaces, IFACE), COUNT(C, interface_count), .array = ARRAY_OWNED,
		.flags = OPTION_IN_ROOT, .max = 1024, .help = "VLANs of the port, each with its realm and addresses."},
	NUMBER("ports[].interfaces[].vlan", IFACE, vlan, 0, 4094, "VLAN id", "0", 0, "0: untagged frames."),
	NUMBER("ports[].interfaces[].realm", IFACE, realm, 0, UINT16_MAX, "realm", "0", 0,
		"Address space of the devices behind it. The same address in two realms is two devices."),
	{.path = "ports[].interfaces[].addresses", .type = OPTION_PREFIXES, FIELD(IFACE, addresses), COUNT(IFACE, address_count), .max = 16,
		.help = "Our addresses, with the length of the on-link prefix (10.77.0.1/24)."},
	{.path = "ports[].interfaces[].gateway4", .type = OPTION_HOST, FIELD(IFACE, gateway4), .min = 4, .help = "Next hop of all other IPv4 addresses."},
	{.path = "ports[].interfaces[].gateway6", .type = OPTION_HOST, FIELD(IFACE, gateway6), .min = 6, .help = "Next hop of all other IPv6 addresses."},

	LIST("listeners", C, listeners, listener_count, LISTENER, ARRAY_OWNED, 0, 256, LIVE, "Where devices send to."),
	TEXT("listeners[].name", LISTENER, name, OPTION_NAME, 1, NULL, LIVE | REQUIRED, "Name of the listener."),
	ENUM("listeners[].protocol", LISTENER, protocol, LABELS("udp", "frame", "coap", "mqtt"), NULL, LIVE | REQUIRED,
		"udp: one payload per datagram. frame: protected frames over UDP. coap: CoAP over UDP. mqtt: MQTT 3.1.1 and 5 over TCP."),
	NUMBER("listeners[].realm", LISTENER, realm, 0, UINT16_MAX, "realm", "0", LIVE, "Realm it listens in."),
	{.path = "listeners[].addresses", .type = OPTION_PREFIXES, FIELD(LISTENER, addresses), COUNT(LISTENER, address_count), .max = 16, .flags = LIVE,
		.help = "Those of our addresses it listens on. Empty: all of the realm."},
	NUMBER("listeners[].port", LISTENER, port, 1, UINT16_MAX, "port", NULL, LIVE | REQUIRED, "UDP or TCP port."),
	ENUM("listeners[].format", LISTENER, format, format_labels, "json", LIVE,
		"Payload format, where the protocol does not say it (CoAP has Content-Format)."),
	{.path = "listeners[].profile", .type = OPTION_REFERENCE, FIELD(LISTENER, profile), .target = "profiles", .flags = LIVE | REQUIRED,
		.help = "Profile of the devices."},
	ENUM("listeners[].auth", LISTENER, auth, LABELS("trust", "none", "password"), "trust", LIVE,
		"trust: only sources inside `trust`. none: anybody, shown in red by status. password: MQTT user and password."),
	{.path = "listeners[].trust", .type = OPTION_PREFIXES, FIELD(LISTENER, trust), COUNT(LISTENER, trust_count), .max = 1024, .flags = LIVE,
		.help = "Source addresses that are believed when they name a device."},
	ENUM("listeners[].unknown", LISTENER, unknown, LABELS("refuse", "pending", "accept"), "refuse", LIVE,
		"What happens to a device that the registry does not know."),

	TEXTS("profile_files", C, profile_files, profile_file_count, 0, CONFIG_PROFILE_FILES_MAX, LIVE,
		"Files with one profile each (docs/profiles.md), relative to this one. Wildcards may find nothing: [profiles/*.yaml]. They come behind those of `profiles`, by name."),
	LIST("profiles", C, profiles, profile_count, PROFILE, ARRAY_OWNED, 0, CONFIG_PROFILES_MAX, LIVE | OPTION_FILED,
		"Kinds of devices. What stands here under a profile stands at the top of a profile file."),
	TEXT("profiles[].name", PROFILE, name, OPTION_NAME, 1, NULL, LIVE | REQUIRED, "Name of the profile."),
	NUMBER("profiles[].schema", PROFILE, schema_version, 0, UINT32_MAX, "version", "0", LIVE, "Version of what its records look like. Yours to count; nothing is derived from it."),
	SECTION("profiles[].match", "Messages it is for although their listener names another profile. All of paths, listeners and labels that is given must hold; of several profiles the first."),
	TEXTS("profiles[].match.paths", PROFILE, match.paths, match.path_count, 0, PROFILE_PATTERNS_MAX, LIVE,
		"Topics or CoAP paths, with MQTT's wildcards: t/+/env, plant/#. A leading '/' does not count."),
	TEXTS("profiles[].match.listeners", PROFILE, match.listeners, match.listener_count, 0, PROFILE_PATTERNS_MAX, LIVE, "Names of listeners it holds for. None: all."),
	TEXTS("profiles[].match.labels", PROFILE, match.labels, match.label_count, 0, PROFILE_PATTERNS_MAX, LIVE,
		"Labels that the registry gives the device (device add --label), all of them: [site=basel, line=3]. A device that the registry does not know has none."),
	BOOL("profiles[].match.registry", PROFILE, match.registry, "no", LIVE, "Devices that the registry gives this profile (device add --profile NAME), whatever paths, listeners and labels say."),
	ENUM("profiles[].format", PROFILE, format, profile_format_labels, "as-sent", LIVE,
		"Payload format. as-sent: as Content-Format or the listener say."),
	SECTION("profiles[].device", "How a device is named."),
	ENUM("profiles[].device.from", PROFILE, device_from, LABELS("identity", "payload", "path", "address"), "identity", LIVE,
		"identity: what the transport established. payload: a field or tag. path: a segment of the CoAP path or MQTT topic. address: the source address."),
	VIEW("profiles[].device.key", PROFILE, hints.device_key,
		"Field or tag that holds the device, for `from: payload`. SenML uses its base name."),
	NUMBER("profiles[].device.segment", PROFILE, device_segment, 0, 15, "segment", "1", LIVE,
		"Path segment that holds the device, counted from 0, for `from: path` (/t/{device}/{stream}: 1)."),
	SECTION("profiles[].time", "Device time."),
	VIEW("profiles[].time.key", PROFILE, hints.time_key,
		"Field that holds the device time. SenML and line protocol have their own."),
	ENUM("profiles[].time.unit", PROFILE, hints.time_unit, LABELS("s", "ms", "us", "ns"), "s", LIVE,
		"Unit of that field, and of line protocol time stamps, since 1970."),
	SECTION("profiles[].sequence", "Device sequence number."),
	VIEW("profiles[].sequence.key", PROFILE, hints.seq_key, "Field that holds the device's sequence number."),
	{.path = "profiles[].route", .type = OPTION_REFERENCE, FIELD(PROFILE, route), .target = "routes", .flags = LIVE | REQUIRED,
		.help = "Where the records go."},
	ENUM("profiles[].subscribe", PROFILE, subscribe, LABELS("own", "refuse"), "own", 0,
		"MQTT SUBSCRIBE. own: filters inside the device's own command space are granted. refuse: none."),
	TEXT("profiles[].commands", PROFILE, commands, OPTION_TEXT, 1, "cmd/%d/#", 0,
		"Command space of a device, an MQTT topic filter in which %d stands for the device and %c for the client id."),
	BOOL("profiles[].separate", PROFILE, separate, "yes", LIVE,
		"CoAP: a slow acknowledgement is answered by an empty ACK and a separate response later. no: by 5.03."),
	BOOL("profiles[].partial", PROFILE, partial, "no", LIVE,
		"A message with a record that `on` would refuse: no: is refused whole. yes: that record is quarantined, the others are delivered."),
	SECTION("profiles[].claim", "What a device whose identity the transport established may claim beyond being itself."),
	TEXTS("profiles[].claim.devices", PROFILE, claim.devices, claim.device_count, 0, PROFILE_PATTERNS_MAX, LIVE,
		"Other devices it may send for, as a gateway does. '*' is any run of characters, %d is the device: [%d-*]. None: only itself."),
	TEXTS("profiles[].claim.paths", PROFILE, claim.paths, claim.path_count, 0, PROFILE_PATTERNS_MAX, LIVE,
		"Topics or CoAP paths it may send to, with MQTT's wildcards; %d is the device: [t/%d/#]. None: any."),

	LIST("profiles[].fields", PROFILE, fields, field_count, MEASURED, ARRAY_OWNED, 0, PROFILE_FIELDS_MAX, LIVE,
		"Fields as `map` leaves them. A field that does not stand here is not judged."),
	VIEW_FLAGGED("profiles[].fields[].name", MEASURED, name, LIVE | REQUIRED, "Name, flattened: accel.x, temps.0."),
	ENUM("profiles[].fields[].type", MEASURED, type, LABELS("any", "number", "integer", "boolean", "text", "bytes"), "any", LIVE, "What it must be, else wrong-type."),
	VIEW("profiles[].fields[].unit", MEASURED, unit, "SenML unit it must come in if it comes with one, else wrong-unit."),
	SECTION("profiles[].fields[].range", "Values the sensor can measure; others are out-of-range."),
	REAL("profiles[].fields[].range.min", MEASURED, min, "the field's unit", NULL, LIVE, "Smallest."),
	REAL("profiles[].fields[].range.max", MEASURED, max, "the field's unit", NULL, LIVE, "Largest."),
	BOOL("profiles[].fields[].required", MEASURED, required, "no", LIVE, "Every record must have it, else missing-field."),
	BOOL("profiles[].fields[].nullable", MEASURED, nullable, "no", LIVE, "null is a legal value, else null-value."),
	REAL("profiles[].fields[].rate", MEASURED, rate_max, "per second", "0", LIVE, "Fastest change, by device time; beyond it rate-of-change. 0: any."),
	DURATION("profiles[].fields[].stuck", MEASURED, stuck_after_s, 0, 24 * 86400, "s", NULL, LIVE, "The very same value for so long, by device time, is stuck."),
	SECTION("profiles[].fields[].alert", "When to raise an alert, and when to clear it."),
	SECTION("profiles[].fields[].alert.above", "Too much."),
	REAL("profiles[].fields[].alert.above.raise", MEASURED, alert.raise_above, "the field's unit", NULL, LIVE, "Raised above it."),
	REAL("profiles[].fields[].alert.above.clear", MEASURED, alert.clear_below, "the field's unit", NULL, LIVE, "Cleared below it. Not given: the same."),
	SECTION("profiles[].fields[].alert.below", "Too little."),
	REAL("profiles[].fields[].alert.below.raise", MEASURED, alert.raise_below, "the field's unit", NULL, LIVE, "Raised below it."),
	REAL("profiles[].fields[].alert.below.clear", MEASURED, alert.clear_above, "the field's unit", NULL, LIVE, "Cleared above it. Not given: the same."),
	DURATION("profiles[].fields[].alert.for", MEASURED, alert.for_ms, 0, 24u * 86400000, "ms", NULL, LIVE, "So long it must last, by device time, before it is raised."),
	SECTION("profiles[].fields[].alert.unusual", "Far from what this device's field usually is: a z-score over moving mean and deviation. The finding is `unusual`."),
	REAL("profiles[].fields[].alert.unusual.raise", MEASURED, alert.z_raise, "deviations", NULL, LIVE, "Raised beyond so many."),
	REAL("profiles[].fields[].alert.unusual.clear", MEASURED, alert.z_clear, "deviations", NULL, LIVE, "Cleared within so many. Not given: half."),
	NUMBER("profiles[].fields[].alert.unusual.warmup", MEASURED, alert.warmup, 2, UINT16_MAX, "samples", "100", LIVE, "Samples before it is judged."),
	REAL("profiles[].fields[].alert.unusual.smoothing", MEASURED, alert.smoothing, "weight", "0.05", LIVE, "Weight of a new sample in mean and deviation, above 0, at most 1."),

	LIST("profiles[].map", PROFILE, map, map_count, STEP, ARRAY_OWNED, 0, PROFILE_STEPS_MAX, LIVE,
		"Operations on the fields, in order, before they are validated."),
	ENUM("profiles[].map[].op", STEP, op, step_op_labels, NULL, LIVE | REQUIRED, "Operation; docs/profiles.md says what each does and which of the options below it takes."),
	VIEW_FLAGGED("profiles[].map[].field", STEP, field, LIVE | REQUIRED, "Field it works on; of add and first-of: field it makes."),
	VIEW("profiles[].map[].to", STEP, to, "rename: new name."),
	VIEW("profiles[].map[].unit", STEP, unit, "convert: unit it becomes. add: unit of the number."),
	VIEW("profiles[].map[].from", STEP, from, "convert: unit of a field that comes without one."),
	REAL("profiles[].map[].factor", STEP, factor, "factor", NULL, LIVE, "scale: value x factor + offset. Not given: 1."),
	REAL("profiles[].map[].offset", STEP, offset, "offset", NULL, LIVE, "scale: see factor. Not given: 0."),
	VIEW("profiles[].map[].text", STEP, text, "add: a constant text."),
	REAL("profiles[].map[].number", STEP, number, "value", NULL, LIVE, "add: a constant number."),
	ENUM("profiles[].map[].attribute", STEP, attribute, attribute_labels, "none", LIVE, "add: something of the message, or of its device in the registry."),
	VIEW("profiles[].map[].label", STEP, label, "add: the label of that name, if the registry gives it to the record's device."),
	NUMBER("profiles[].map[].segment", STEP, segment, 0, 15, "segment", "0", LIVE, "add, path-segment: which one, counted from 0."),
	NUMBER("profiles[].map[].keep", STEP, keep, 0, STEP_MASK_KEEP_MAX, "characters", "0", LIVE, "mask: so many at the end stay readable."),
	TEXT("profiles[].map[].key", STEP, key, OPTION_SECRET, 1, NULL, LIVE, "hash: 32 hexadecimal digits behind a reference (openssl rand -hex 16)."),
	ENUM("profiles[].map[].type", STEP, type, LABELS("number", "integer", "boolean", "text", "bytes"), "number", LIVE, "cast: what it becomes, or null."),
	TEXTS("profiles[].map[].of", STEP, of, of_count, 0, STEP_NAMES_MAX, LIVE, "first-of: the fields, best first."),

	SECTION("profiles[].on", "What becomes of a record with a finding: ignore, flag (delivered with it), quarantine (to the dead-letter topic, and acknowledged), refuse (the message)."),
	FINDINGS(ON_FINDING)
	DURATION("profiles[].past_max", PROFILE, past_max_s, 0, UINT32_MAX, "s", "30d", LIVE, "Older device times are time-too-old. 0: none is."),
	DURATION("profiles[].future_max", PROFILE, future_max_s, 0, UINT32_MAX, "s", "5m", LIVE, "Device times further ahead are time-in-future."),
	DURATION("profiles[].late_after", PROFILE, late_after_s, 0, UINT32_MAX, "s", "10m", LIVE, "Older device times take the late lane: no alert, no state. 0: none does."),
	SECTION("profiles[].dedup", "What tells a copy of a message from a new one, beside the transport's own ids."),
	ENUM("profiles[].dedup.by", PROFILE, dedup, LABELS("time-seq", "payload", "off"), "time-seq", LIVE,
		"time-seq: device time and sequence, where the payload has them. payload: path and payload, for devices that never send the same twice. off: nothing."),
	DURATION("profiles[].dedup.window", PROFILE, dedup_window_s, 1, 86400, "s", "10m", LIVE, "For so long copies are recognised, as far as memory reaches."),

	LIST("topics", C, topics, topic_count, TOPIC, ARRAY_OWNED, 0, 1024, 0, "Kafka topics written to."),
	TEXT("topics[].name", TOPIC, name, OPTION_NAME, 1, NULL, REQUIRED, "Name of the topic."),
	NUMBER("topics[].partitions", TOPIC, partitions, 0, 100000, "partitions", "0", 0,
		"Partitions over which devices are spread. 0: learnt at first contact and pinned in state_dir. More partitions later move nothing."),

	LIST("routes", C, routes, route_count, ROUTE, ARRAY_OWNED, 0, 1024, LIVE, "What is promised for records, and where they go."),
	TEXT("routes[].name", ROUTE, name, OPTION_NAME, 1, NULL, LIVE | REQUIRED, "Name of the route."),
	{.path = "routes[].topic", .type = OPTION_REFERENCE, FIELD(ROUTE, topic), .target = "topics", .flags = LIVE | REQUIRED, .help = "Topic."},
	ENUM("routes[].ack", ROUTE, ack, LABELS("received", "kafka"), "kafka", LIVE,
		"What an acknowledgement to the device means. received: parsed and accepted. kafka: in-sync replicas have it."),
	ENUM("routes[].encoding", ROUTE, encoding, LABELS("json", "original", "protobuf"), "json", LIVE,
		"json: the JSON envelope of docs/record.md. original: the device's bytes, metadata in headers. protobuf: pipelines/proto/record.proto."),
	NUMBER("routes[].pack", ROUTE, pack, 0, 4096, "records", "0", LIVE,
		"Up to so many records of one partition share a Kafka message: JSON lines, or protobuf with lengths. Such messages have no key. 0: each record is a message of its own."),

	SECTION("control", "What comes from the control plane."),
	NUMBER("control.devices", C, control.devices, 1024, 1u << 26, "devices", "1048576", 0,
		"Devices of the registry that sluiced has room for: about 160 bytes each, address space for all of them reserved at the start. More are refused, and `status` says so."),

	SECTION("net", "Ethernet, ARP, ND, IP, ICMP."),
	NUMBER("net.neighbours", C, net.neighbours, 64, 1u << 20, "entries", "4096", 0, "ARP and ND entries per worker."),
	NUMBER("net.fragments", C, net.fragments, 16, 1u << 16, "datagrams", "1024", 0, "Datagrams in reassembly per worker."),
	DURATION("net.fragment_timeout", C, net.fragment_timeout_ms, 100, 120000, "ms", "15s", 0, "A datagram whose fragments are not complete by then is dropped."),
	NUMBER("net.icmp_rate", C, net.icmp_rate_pps, 0, 1000000, "packets/s", "1000", LIVE, "ICMP answers and errors per worker."),

	SECTION("coap", "CoAP."),
	NUMBER("coap.exchanges", C, coap.exchanges, 256, 1u << 28, "entries", "262144", 0,
		"Deduplication entries per worker: confirmable and non-confirmable messages per second x 247 s. Too few: the oldest answered one is forgotten early, counted."),
	NUMBER("coap.pending", C, coap.pending, 16, 1u << 24, "requests", "16384", 0,
		"Requests that wait for their acknowledgement contract, per worker. Beyond it: 5.03."),
	DURATION("coap.ack_delay", C, coap.ack_delay_ms, 0, 1900, "ms", "500ms", LIVE,
		"A request not answered by then gets an empty ACK. Must stay below the device's ACK_TIMEOUT (2 s)."),
	DURATION("coap.max_age", C, coap.max_age_s, 1, 3600, "s", "10s", LIVE, "Max-Age of 5.03: when the device may try again."),
	NUMBER("coap.uploads", C, coap.uploads, 0, 65536, "uploads", "256", 0, "Block1 uploads in progress per worker. 0: none are taken."),
	SIZE("coap.upload_size", C, coap.upload_bytes, 16, PAYLOAD_MAX, "B", "16KiB", 0, "Largest body of an upload. Beyond it: 4.13."),
	DURATION("coap.upload_timeout", C, coap.upload_timeout_ms, 1000, 3600000, "ms", "1m", LIVE, "An upload without a new block for that long is forgotten."),
	BOOL("coap.echo", C, coap.echo, "yes", LIVE, "Ask an unproven source for an Echo (RFC 9175) before an answer that is larger than its request."),

	SECTION("frame", "Protected frames (docs/protected-frame.md)."),
	{.path = "frame.keys", .type = OPTION_SECRET_FILE, FIELD(C, frame.keys), .flags = LIVE, .help = "Key file, one line per key; its keys win over those of the device registry. Outside the lab other users must not be able to read it."},
	NUMBER("frame.devices", C, frame.devices, 1, 1u << 26, "devices", "65536", 0, "Replay windows reserved, each with room for two keys of the device registry."),
	DURATION("frame.receipt_delay", C, frame.receipt_delay_ms, 0, 60000, "ms", "200ms", LIVE, "Receipts are gathered for so long."),

	SECTION("mqtt", "MQTT."),
	NUMBER("mqtt.inflight_max", C, mqtt.inflight_max, 1, 64, "messages", "32", 0, "Unacknowledged QoS 1 and 2 messages per connection (Receive Maximum); MQTT 3.1.1 may have 64 with the QoS 2 ids whose PUBREL has not come."),
	SIZE("mqtt.packet_max", C, mqtt.packet_max, 128, 1u << 20, "B", "64KiB", 0, "Largest MQTT packet (Maximum Packet Size)."),
	NUMBER("mqtt.connections", C, mqtt.connections, 1, 1u << 26, "connections", "131072", 0, "Connections per worker."),
	NUMBER("mqtt.stored_sessions", C, mqtt.stored_sessions, 0, 1u << 26, "sessions", "0", 0, "Sessions per worker that outlive their connection, beside those that have one. 0: half of `connections`."),
	NUMBER("mqtt.busy_connections", C, mqtt.busy_connections, 16, 1u << 26, "connections", "65536", 0, "Connections per worker that may at once have a message unanswered or half received, a will, or topic aliases. All others cost 320 bytes."),
	NUMBER("mqtt.topic_alias_max", C, mqtt.topic_alias_max, 0, 1024, "aliases", "16", 0, "Topic aliases per MQTT 5 connection."),
	NUMBER("mqtt.user_properties_max", C, mqtt.user_properties_max, 0, 32, "properties", "16", 0, "User properties of a publish."),
	DURATION("mqtt.session_expiry_max", C, mqtt.session_expiry_max_s, 0, UINT32_MAX - 1, "s", "1d", LIVE, "Longest session a client may ask for."),
	DURATION("mqtt.keep_alive_max", C, mqtt.keep_alive_max_s, 1, UINT16_MAX, "s", "1h", LIVE, "Longest keep-alive; an MQTT 5 client that asks for more is told this one."),
	NUMBER("mqtt.publish_rate", C, mqtt.publish_rate, 0, 1000000, "messages/s", "0", LIVE, "Publishes per second and session. 0: no limit."),
	NUMBER("mqtt.connect_rate", C, mqtt.connect_rate, 0, 1000000, "connections/s", "0", LIVE, "New connections per second and worker. 0: no limit."),
	SIZE("mqtt.pool", C, mqtt.pool_bytes, 65536, 1u << 31, "B", "16MiB", 0, "Reserved per worker for reading from connections that wait."),
	LIST("mqtt.users", C, mqtt.users, mqtt.user_count, USER, ARRAY_OWNED, 0, 65536, LIVE, "Users of `auth: password`."),
	TEXT("mqtt.users[].name", USER, name, OPTION_TEXT, 1, NULL, LIVE | REQUIRED, "User name; it is the device."),
	TEXT("mqtt.users[].secret", USER, secret, OPTION_SECRET, 1, NULL, LIVE | REQUIRED, "Encoded hash of the password."),

	SECTION("pipeline", "What is remembered of devices between their messages."),
	NUMBER("pipeline.devices", C, pipeline.devices, 0, 1u << 27, "devices", "65536", 0,
		"Devices whose dedup window, order and field states are kept, all workers together. Beyond it the least recently heard of are forgotten, unregistered ones first. 0: nothing is remembered."),
	NUMBER("pipeline.dedup_entries", C, pipeline.dedup_entries, 0, 255, "messages", "8", 0,
		"Messages per device among which a copy is recognised. 16 bytes each. 0: no deduplication."),
	NUMBER("pipeline.field_states", C, pipeline.field_states, 0, PROFILE_STATES_MAX, "fields", "8", 0,
		"Fields per device whose rate of change, repetition and alerts are followed. 32 bytes each."),
	NUMBER("pipeline.late_share", C, pipeline.late_share, 1, 100, "percent", "25", LIVE,
		"Share of egress.in_flight_records that records of the late lane may take."),
	SIZE("pipeline.late_size", C, pipeline.late_bytes, 131072, 1u << 30, "B", "16MiB", 0,
		"Per worker, for messages that wait because that share is used up. Beyond it they are shed."),
	SIZE("pipeline.park_size", C, pipeline.park_bytes, 131072, 1u << 30, "B", "1MiB", 0,
		"Reserved per worker for messages of devices whose state is on its way from another worker. Beyond it they are shed."),
	SECTION("match", "Signatures against attacks in paths and payloads (docs/signatures.md)."),
	TEXT("match.signatures", C, match.signatures, OPTION_TEXT, 0, NULL, 0,
		"File of signatures, or directory of *.yaml files, from the directory of this file. Empty: none. `sluicectl rules apply` replaces what stands there."),
	NUMBER("match.ban_devices_max", C, match.ban_devices_max, 1, 1000000, "devices", "3", 0,
		"A ban on an address that more active devices send from than this is refused, and becomes an alert."),

	SECTION("watch", "Alerts about who sends: devices and peers, whatever they say (docs/record.md)."),
	NUMBER("watch.connections", C, watch.connections, 0, 250, "connections/min", "10", LIVE,
		"An MQTT device that sends from more new connections in a minute is `flapping-connections`. 0: no such alert."),
	NUMBER("watch.returns", C, watch.returns, 0, 250, "returns/min", "2", LIVE,
		"A device that comes back to the address before so often in a minute, A B A B, is `cloned-identity`. 0: no such alert."),
	NUMBER("watch.rate_factor", C, watch.rate_factor, 0, 1000000, "times", "10", LIVE,
		"A device that sends more than so many times what it used to is `rate`. 0: no such alert."),
	NUMBER("watch.rate_min", C, watch.rate_min, 1, 1u << 30, "messages", "50", LIVE, "Messages in 10 s below which no rate is remarkable."),
	NUMBER("watch.ports", C, watch.ports, 0, 60, "ports/min", "16", LIVE,
		"A peer that tries so many ports without a listener in a minute is `port-scan`. 0: no such alert."),
	DURATION("watch.quiet", C, watch.quiet_s, 60, 86400, "s", "1m", LIVE, "An alert about who sends is cleared when its reason has not been seen for that long."),

	SECTION("egress", "Batches and the sink."),
	ENUM("egress.sink", C, egress.sink, LABELS("kafka", "file", "discard"), "kafka", 0, "Where batches go. discard is for measurements."),
	TEXT("egress.file_path", C, egress.file_path, OPTION_TEXT, 0, NULL, 0, "File of `sink: file`."),
	NUMBER("egress.threads", C, egress.threads, 1, EGRESS_MAX, "threads", "1", 0, "Egress threads, each with a Kafka producer of its own."),
	SIZE("egress.batch_size", C, egress.batch_bytes, 4096, 64u << 20, "B", "512KiB", 0, "Bytes of one batch."),
	NUMBER("egress.batch_records", C, egress.batch_records, 1, 4096, "records", "1024", LIVE, "A batch with so many records is sent."),
	DURATION("egress.linger", C, egress.linger_us, 0, 10000000, "us", "2ms", LIVE, "A record waits at most that long for others."),
	NUMBER("egress.batches", C, egress.batches, 2, 65535, "batches", "64", 0, "Batches per worker."),
	NUMBER("egress.in_flight_records", C, egress.in_flight_records, 1, 1u << 28, "records", "65536", 0,
		"Records per worker that Kafka has not acknowledged. Beyond it devices wait (CoAP 5.03, MQTT windows) and UDP is shed."),
	SIZE("egress.in_flight_size", C, egress.in_flight_bytes, 4096, 1ull << 40, "B", "64MiB", 0, "The same in bytes."),
	DURATION("egress.checkpoint", C, egress.checkpoint_ms, 0, 3600000, "ms", "1s", LIVE, "Interval of checkpoint records per partition. 0: none, and nobody can prove completeness."),

	SECTION("kafka", "Kafka."),
	TEXT("kafka.brokers", C, kafka.brokers, OPTION_TEXT, 0, NULL, 0, "Bootstrap brokers, host:port,host:port. `embedded`: the one started with `sluiced embedded-kafka`, for trying out."),
	TEXT("kafka.dead_letter_topic", C, kafka.dead_letter_topic, OPTION_NAME, 1, "dead-letter", LIVE, "Topic of malformed and refused records. Must be one of `topics`."),
	ENUM("kafka.compression", C, kafka.compression, LABELS("none", "lz4", "zstd"), "none", 0,
		"How the producer compresses what it sends. Packed records compress many times better than single ones."),
	TEXT("kafka.alert_topic", C, kafka.alert_topic, OPTION_NAME, 0, "", LIVE, "Topic of raised and cleared alerts (docs/record.md). Must be one of `topics`. Empty: alerts are only counted."),
	BOOL("kafka.accept_weak_topic", C, kafka.accept_weak_topic, "no", 0, "Start although a topic has fewer than 3 replicas, fewer than 2 in sync or unclean elections. Such acknowledgements count as weak."),
	{.path = "kafka.properties", .type = OPTION_PROPERTIES, FIELD(C, kafka.properties), COUNT(C, kafka.property_count), .max = 64,
		.help = "librdkafka properties passed through (TLS, SASL). Those the acknowledgement contract rests on are refused."},
};
// clang-format on
const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);

const char *option_type_label(enum option_type type) {
	static const char *const labels[OPTION_TYPE_COUNT] = {
#define X(id, label) [id] = label,
		OPTION_TYPES(X)
#undef X
	};
	return labels[type];
}

const struct option *option_find(const char *path) {
	for (size_t i = 0; i < config_option_count; i++)
		if (strcmp(config_options[i].path, path) == 0)
			return &config_options[i];
	return NULL;
}

// The part of the path after "parent.", NULL if it lies elsewhere.
static const char *path_below(const char *path, const char *parent) {
	size_t n = strlen(parent);

	if (n == 0)
		return path;
	if (strncmp(path, parent, n) != 0 || path[n] != '.')
		return NULL;
	return path + n + 1;
}

const char *option_name_below(const struct option *o, const char *parent) {
	const char *name = path_below(o->path, parent);
	return name == NULL || strchr(name, '.') != NULL ? NULL : name;
}

const char *option_field_of(const struct option *o, const char *parent) {
	const char *rest = path_below(o->path, parent);
	return rest == NULL || strstr(rest, "[]") != NULL ? NULL : rest;
}
