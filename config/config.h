// SPDX-License-Identifier: Apache-2.0
// The configuration as the programs use it: one plain, validated, immutable struct per generation.
//
// config_load() builds it aside from /etc/sluice/sluice.yaml (or the file given), checks it whole
// and hands it out, or reports every mistake it found with file, line and the nearest known key.
// Strings, arrays and views are owned by the struct and live until config_free(). Read-only for
// everybody after loading, so any thread may read it.
#pragma once

#include "config/profile.h"
#include "parsers/payload.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PORTS_MAX 8
#define CONFIG_PORT_DEVICES_MAX 8
#define CONFIG_NAME_MAX 32
#define WORKERS_MAX 32
#define EGRESS_MAX 8
#define CONFIG_PROFILE_FILES_MAX 16 // patterns that name profile files
#define CONFIG_PROFILES_MAX 1024

// An address or prefix: 4 bytes used when family is 4, 16 when 6. prefix_len 32/128 is one host.
struct ip_prefix {
	uint8_t family; // 4 or 6
	uint8_t prefix_len;
	uint8_t addr[16];
};

bool ip_prefix_contains(const struct ip_prefix *p, uint8_t family, const uint8_t *addr);

enum port_role : uint8_t { PORT_ENDPOINT, PORT_MIRROR };
enum huge_pages : uint8_t { HUGE_AUTO, HUGE_NEVER, HUGE_REQUIRE };
enum polling : uint8_t { POLLING_ADAPTIVE, POLLING_BUSY };

// One VLAN of a port (vlan 0 = untagged) is one realm with addresses of its own.
struct config_interface {
	uint16_t port; // index into ports
	uint16_t vlan;
	uint16_t realm;
	struct ip_prefix *addresses; // ours, with the on-link prefix length
	uint32_t address_count;
	struct ip_prefix gateway4; // family 0 if none
	struct ip_prefix gateway6;
};

struct config_port {
	char name[CONFIG_NAME_MAX];
	enum port_role role;
	// EAL device arguments ("net_af_xdp0,iface=slu0,...") or PCI addresses; several form one
	// port with as many queues.
	char *devices[CONFIG_PORT_DEVICES_MAX];
	uint32_t device_count;
	uint32_t mtu;
	bool promiscuous;
	char exception_tap[CONFIG_NAME_MAX]; // kernel interface name of the TAP twin; "" = none
	uint32_t exception_rate_pps;
};

enum listener_protocol : uint8_t { LISTEN_UDP, LISTEN_FRAME, LISTEN_COAP, LISTEN_MQTT };
enum listener_auth : uint8_t { AUTH_TRUST, AUTH_NONE, AUTH_PASSWORD };
enum unknown_device : uint8_t { UNKNOWN_REFUSE, UNKNOWN_PENDING, UNKNOWN_ACCEPT };

struct config_listener {
	char name[CONFIG_NAME_MAX];
	uint16_t number; // its index
	enum listener_protocol protocol;
	uint16_t realm;
	struct ip_prefix *addresses; // one or several service addresses; none = any of ours
	uint32_t address_count;
	uint16_t port;
	enum payload_format format;
	const struct profile *profile;
	enum listener_auth auth; // AUTH_TRUST: only sources inside `trust`
	struct ip_prefix *trust;
	uint32_t trust_count;
	enum unknown_device unknown;
};

enum ack_contract : uint8_t { ACK_RECEIVED, ACK_KAFKA };
enum encoding : uint8_t { ENCODING_JSON, ENCODING_ORIGINAL, ENCODING_PROTOBUF };

enum kafka_compression : uint8_t { COMPRESSION_NONE, COMPRESSION_LZ4, COMPRESSION_ZSTD };

struct config_topic {
	char name[256];
	uint32_t partitions; // pinned P; 0 = learn at first contact and pin in the state directory
};

struct config_route {
	char name[CONFIG_NAME_MAX];
	uint16_t topic; // index into topics
	enum ack_contract ack;
	enum encoding encoding;
	uint16_t pack; // records that may share a Kafka message, 0 or 1: none do
};

struct config_user { // MQTT `auth: password`
	char name[DEVICE_ID_MAX + 1];
	char secret[256]; // encoded hash: "$sluice-sha256$salt$hex", bcrypt, PBKDF2, argon2
};

struct property_option { // a librdkafka property passed through
	char *name;
	char *value; // secrets resolved
};

enum sink_kind : uint8_t { SINK_KAFKA, SINK_FILE, SINK_DISCARD };

struct config {
	// where this came from
	char source[256];
	uint64_t generation; // set by whoever publishes it

	char appliance[CONFIG_NAME_MAX]; // name of this appliance
	bool lab; // literals for secrets and weak settings are allowed
	char run_dir[256]; // sockets, pids, Kafka address, table
	char state_dir[256]; // what must survive: epoch, partition map, replay marks
	char user[CONFIG_NAME_MAX]; // after start; "" = stay

	struct {
		uint32_t workers;
		uint32_t lcores[WORKERS_MAX]; // CPU of each worker; lcore_count == 0: chosen
		uint32_t lcore_count;
		uint32_t housekeeping[WORKERS_MAX]; // CPUs of all other threads; empty: the rest
		uint32_t housekeeping_count;
		uint32_t memory_mib;
		enum huge_pages huge_pages;
		char file_prefix[CONFIG_NAME_MAX];
		enum polling polling;
		uint32_t mbufs; // per worker
		uint32_t flows; // that lists tell apart, per worker
		uint32_t rx_descriptors, tx_descriptors;
		uint32_t drain_ms; // bound of a clean stop
		bool allow_no_iommu;
	} dataplane;

	struct config_port ports[CONFIG_PORTS_MAX];
	uint32_t port_count;
	struct config_interface *interfaces;
	uint32_t interface_count;

	struct config_listener *listeners;
	uint32_t listener_count;
	struct profile *profiles; // those of the file, then those of files of their own
	uint32_t profile_count;
	char *profile_files[CONFIG_PROFILE_FILES_MAX]; // patterns, as written
	uint32_t profile_file_count;
	const struct profile_selector *selector; // NULL: listeners alone decide
	struct config_topic *topics;
	uint32_t topic_count;
	// Version of the pinned partition map (topic -> P); 0 until every topic's P is known. Set
	// with topics[].partitions before the generation is published.
	uint32_t partition_map;
	struct config_route *routes;
	uint32_t route_count;

	struct {
		uint32_t devices; // places in the device table
	} control;

	struct {
		uint32_t neighbours; // entries per worker
		uint32_t fragments; // datagrams in reassembly per worker
		uint32_t fragment_timeout_ms;
		uint32_t icmp_rate_pps; // ICMP answers and errors per worker
	} net;

	struct {
		uint32_t exchanges; // dedup entries per worker: rate x EXCHANGE_LIFETIME
		uint32_t pending; // requests waiting for their contract, per worker
		uint32_t ack_delay_ms;
		uint32_t max_age_s; // of 5.03
		uint32_t uploads; // concurrent Block1 uploads per worker
		uint32_t upload_bytes; // largest body
		uint32_t upload_timeout_ms;
		bool echo; // RFC 9175 for unproven sources
	} coap;

	struct {
		char *keys; // contents reference of the key file, resolved path; NULL if none
		uint32_t devices; // replay windows
		uint32_t receipt_delay_ms;
	} frame;

	struct {
		uint32_t inflight_max; // unacknowledged QoS 1/2 messages per connection
		uint32_t packet_max;
		uint32_t connections; // per worker
		uint32_t stored_sessions; // beside them; 0: half as many
		uint32_t busy_connections;
		uint32_t topic_alias_max;
		uint32_t user_properties_max;
		uint32_t session_expiry_max_s;
		uint32_t keep_alive_max_s;
		uint32_t publish_rate; // per second and session, 0 = off
		uint32_t connect_rate; // per second and worker, 0 = off
		uint32_t pool_bytes; // reserved for waiting connections
		struct config_user *users;
		uint32_t user_count;
	} mqtt;

	struct {
		uint32_t devices; // whose state is kept, all workers together; 0: none
		uint32_t dedup_entries; // per device
		uint32_t field_states; // per device
		uint32_t late_share; // percent of egress.in_flight_records
		uint32_t park_bytes; // per worker
		uint32_t late_bytes; // per worker
	} pipeline;

	struct {
		char signatures[256]; // file or directory, resolved; "" = none
		uint32_t ban_devices_max; // an address that more of them use is not banned
	} match;

	// Alerts about who sends (pipelines/watch.h). A limit of 0: no such alert.
	struct {
		uint32_t connections; // in a minute; more are flapping
		uint32_t returns; // to the address before, in a minute
		uint32_t rate_factor; // times what a device used to send
		uint32_t rate_min; // messages in 10 s below which no rate is remarkable
		uint32_t ports; // without a listener, in a minute
		uint32_t quiet_s; // without its reason, until an alert is cleared
	} watch;

	struct {
		enum sink_kind sink;
		char file_path[256]; // sink: file
		uint32_t threads; // K
		uint32_t batch_bytes;
		uint32_t batch_records;
		uint32_t linger_us;
		uint32_t batches; // per worker
		uint32_t in_flight_records; // unacknowledged, per worker
		uint64_t in_flight_bytes;
		uint32_t checkpoint_ms; // 0 = none
	} egress;

	struct {
		char brokers[512]; // "embedded" = address from run_dir/kafka
		char dead_letter_topic[256];
		uint16_t dead_letter; // its index in topics
		char alert_topic[256]; // "": alerts are counted only
		uint16_t alert; // its index in topics
		bool accept_weak_topic;
		enum kafka_compression compression;
		struct property_option *properties;
		uint32_t property_count;
	} kafka;
};

// One mistake, ready to print.
struct config_error {
	char file[256];
	uint32_t line; // 0 if it concerns the whole file
	char text[256]; // a sentence for the operator, nearest known key included
};

// Load and check the whole file. On success 0 and *out (free with config_free). On -EINVAL up to
// `max` errors are in errors[0..*count); *out is untouched. -errno if the file cannot be read.
int config_load(
	const char *path,
	struct config **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
);
// The same for a text at hand (not terminated). `path` names it in errors, and relative file:
// references start from its directory.
int config_load_text(
	const char *path,
	const char *text,
	size_t size,
	struct config **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
);
// Accepts NULL; secrets are wiped. Only for what config_load and config_load_text returned.
void config_free(struct config *c);
