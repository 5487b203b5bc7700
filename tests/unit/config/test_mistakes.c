// SPDX-License-Identifier: Apache-2.0
// Every mistake an operator can make gets one sentence with its line; nothing is half-loaded.
#include "config/config.h"
#include "config/kafka_forbidden.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// A good file; each case changes one place of it.
static const char good[] = "appliance: a1\n" // 1
			   "dataplane: {workers: 2, lcores: [2, 3]}\n" // 2
			   "ports:\n" // 3
			   "  - name: wan\n" // 4
			   "    devices: ['0000:01:00.0']\n" // 5
			   "    interfaces:\n" // 6
			   "      - addresses: [10.0.0.1/24]\n" // 7
			   "        gateway4: 10.0.0.254\n" // 8
			   "listeners:\n" // 9
			   "  - name: json\n" // 10
			   "    protocol: udp\n" // 11
			   "    port: 8095\n" // 12
			   "    profile: sensor\n" // 13
			   "    trust: 10.0.0.0/24\n" // 14
			   "profiles:\n" // 15
			   "  - name: sensor\n" // 16
			   "    device: {from: payload, key: dev}\n" // 17
			   "    route: main\n" // 18
			   "topics: [{name: t1}, {name: dead-letter}]\n" // 19
			   "routes: [{name: main, topic: t1}]\n" // 20
			   "kafka:\n" // 21
			   "  brokers: kafka:9092\n"; // 22

static const struct {
	const char *find; // in `good`, first place
	const char *replace;
	uint32_t line;
	const char *text; // the whole sentence
} cases[] = {
	// names of options
	{"appliance:", "aplliance:", 1, "aplliance: unknown option; did you mean 'appliance'?"},
	{"    trust:", "    trsut:", 14, "listeners[0].trsut: unknown option; did you mean 'trust'?"
	},
	{"    port: 8095",
	 "    port: 8095\n    mtu: 9000",
	 13,
	 "listeners[0].mtu: unknown option here; there is 'ports[].mtu'"},
	{"appliance: a1", "frobnicate: 1", 1, "frobnicate: unknown option"},
	{"kafka:\n", "kafka:\n  brokers: a:1\n", 23, "kafka.brokers: already given in line 22"},
	{"appliance: a1", "appliance: a1\nlab: no\nlab: yes", 3, "lab: already given in line 2"},
	{"appliance: a1", "'ports[].mtu': 1", 1, "ports[].mtu: unknown option"},
	{"appliance: a1", "? [a]\n: 1", 1, ": an option name must be text"},
	// types
	{"port: 8095", "port: http", 12, "listeners[0].port: 'http' is not a whole number"},
	{"port: 8095", "port: [8095]", 12, "listeners[0].port: must be one value"},
	{"port: 8095", "port:", 12, "listeners[0].port: has no value"},
	{"port: 8095", "port: -1", 12, "listeners[0].port: '-1' is not a whole number"},
	{"port: 8095", "port: 8_095_", 12, "listeners[0].port: '8_095_' is not a whole number"},
	{"appliance: a1", "lab: maybe", 1, "lab: 'maybe' is neither yes nor no"},
	{"appliance: a1", "dataplane: 3", 1, "dataplane: must hold options ('name: value')"},
	{"ports:\n", "ports: {}\nxports:\n", 3, "ports: must be a list ('- name: ...')"},
	{"appliance: a1",
	 "net: {fragment_timeout: 5}",
	 1,
	 "net.fragment_timeout: '5' is not a duration with a unit (500ms, 2s)"},
	{"appliance: a1",
	 "net: {fragment_timeout: 5 parsecs}",
	 1,
	 "net.fragment_timeout: '5 parsecs' is not a duration with a unit (500ms, 2s)"},
	{"appliance: a1",
	 "net: {fragment_timeout: 1500us}",
	 1,
	 "net.fragment_timeout: 1500us is not a whole number of ms"},
	{"appliance: a1",
	 "egress: {batch_size: 1000}",
	 1,
	 "egress.batch_size: '1000' is not a size with a unit (64KiB, 1MiB)"},
	// an alert that ends before what raised it is forgotten would come again at once
	{"appliance: a1", "watch: {quiet: 59s}", 1, "watch.quiet: 59s is outside 1m..1d"},
	{"appliance: a1", "watch: {ports: 61}", 1, "watch.ports: 61 is outside 0..60"},
	{"appliance: a1", "watch: {connections: 251}", 1, "watch.connections: 251 is outside 0..250"
	},
	{"appliance: a1", "watch: {returns: -1}", 1, "watch.returns: '-1' is not a whole number"},
	{"appliance: a1",
	 "watch: {rate_factor: 1.5}",
	 1,
	 "watch.rate_factor: '1.5' is not a whole number"},
	{"appliance: a1", "watch: {rate_min: 0}", 1, "watch.rate_min: 0 is outside 1..1073741824"},
	{"trust: 10.0.0.0/24",
	 "trust: 10.0.0.0/33",
	 14,
	 "listeners[0].trust: '10.0.0.0/33' is not an address or prefix"},
	{"trust: 10.0.0.0/24",
	 "trust: [10.0.0.0/8, fd00::/8x]",
	 14,
	 "listeners[0].trust: 'fd00::/8x' is not an address or prefix"},
	{"gateway4: 10.0.0.254",
	 "gateway4: 'fd00::1'",
	 8,
	 "ports[0].interfaces[0].gateway4: fd00::1 is not an IPv4 address"},
	{"gateway4: 10.0.0.254",
	 "gateway4: 10.0.0.254/24",
	 8,
	 "ports[0].interfaces[0].gateway4: '10.0.0.254/24' is not an address"},
	{"lcores: [2, 3]",
	 "lcores: [3-2]",
	 2,
	 "dataplane.lcores: '3-2' is neither a CPU nor a range (2, 4-7)"},
	{"lcores: [2, 3]", "lcores: 0-99", 2, "dataplane.lcores: more than 32 CPUs"},
	{"name: wan",
	 "name: 'w an'",
	 4,
	 "ports[0].name: 'w an': a name has letters, digits, '-', '_' and '.' only"},
	{"name: wan", "name: ''", 4, "ports[0].name: must not be empty"},
	{"name: wan",
	 "name: abcdefghijklmnopqrstuvwxyz0123456789",
	 4,
	 "ports[0].name: is longer than 31 bytes"},
	// ranges
	{"port: 8095", "port: 65536", 12, "listeners[0].port: 65536 is outside 1..65535"},
	{"port: 8095",
	 "port: 99999999999999999999",
	 12,
	 "listeners[0].port: 99999999999999999999 is outside 1..65535"},
	{"workers: 2", "workers: 33", 2, "dataplane.workers: 33 is outside 1..32"},
	{"appliance: a1", "coap: {ack_delay: 2s}", 1, "coap.ack_delay: 2s is outside 0..1900ms"},
	{"devices: ['0000:01:00.0']",
	 "devices: []",
	 5,
	 "ports[0].devices: has 0 elements, must have 1 to 8"},
	// choices
	{"protocol: udp",
	 "protocol: upd",
	 11,
	 "listeners[0].protocol: 'upd' is not one of udp, frame, coap, mqtt; did you mean 'udp'?"},
	{"protocol: udp",
	 "protocol: carrier-pigeon",
	 11,
	 "listeners[0].protocol: 'carrier-pigeon' is not one of udp, frame, coap, mqtt"},
	// references
	{"route: main",
	 "route: mian",
	 18,
	 "profiles[0].route: there is no 'mian' in routes; did you mean 'main'?"},
	{"profile: sensor", "profile: x", 13, "listeners[0].profile: there is no 'x' in profiles"},
	{"topic: t1", "topic: telemetry", 20, "routes[0].topic: there is no 'telemetry' in topics"},
	{"name: dead-letter",
	 "name: dead-leter",
	 0,
	 "kafka.dead_letter_topic: there is no 'dead-letter' in topics; did you mean 'dead-leter'?"
	},
	// missing
	{"name: wan\n    devices", "devices", 4, "ports[0]: 'name' is missing"},
	{"    protocol: udp\n", "", 10, "listeners[0]: 'protocol' is missing"},
	{"    route: main\n", "", 16, "profiles[0]: 'route' is missing"},
	{"  brokers: kafka:9092\n",
	 "",
	 0,
	 "kafka.brokers is missing: host:port, or embedded to try it out"},
	// several options together
	{"lcores: [2, 3]", "lcores: [2]", 2, "dataplane.lcores: names 1 CPUs for 2 workers"},
	{"lcores: [2, 3]", "lcores: [2, 2]", 2, "dataplane.lcores: CPU 2 stands here twice"},
	{"lcores: [2, 3]",
	 "lcores: [2, 3], housekeeping: 0-2",
	 2,
	 "dataplane.housekeeping: CPU 2 belongs to a worker"},
	{"appliance: a1", "run_dir: here", 1, "run_dir: must be an absolute path"},
	{"      - addresses: [10.0.0.1/24]\n        gateway4: 10.0.0.254\n",
	 "      []\n",
	 4,
	 "port 'wan' is an endpoint and has no address: give interfaces[].addresses"},
	{"gateway4: 10.0.0.254",
	 "gateway4: 10.0.1.254",
	 8,
	 "gateway 10.0.1.254 is in none of the interface's prefixes"},
	{"addresses: [10.0.0.1/24]",
	 "addresses: [10.0.0.1/24, 10.0.0.1/8]",
	 7,
	 "10.0.0.1/8 is given twice in realm 0"},
	{"addresses: [10.0.0.1/24]",
	 "addresses: [10.0.0.1/24, 224.0.0.1]",
	 7,
	 "224.0.0.1 cannot be an address of ours"},
	{"        gateway4: 10.0.0.254\n",
	 "        gateway4: 10.0.0.254\n      - addresses: [10.1.0.1/24]\n",
	 9,
	 "port 'wan' has VLAN 0 twice"},
	{"    devices: [",
	 "    exception: {tap: an-interface-name}\n    devices: [",
	 5,
	 "port 'wan': Linux interface names have at most 15 letters"},
	{"    port: 8095",
	 "    port: 8095\n    realm: 7",
	 13,
	 "listener 'json': no interface is in realm 7"},
	{"    port: 8095",
	 "    port: 8095\n    addresses: 10.0.0.2",
	 13,
	 "listener 'json': 10.0.0.2 is no address of ours in realm 0"},
	{"profiles:\n",
	 "  - {name: two, protocol: coap, port: 8095, profile: sensor, auth: none}\nprofiles:\n",
	 15,
	 "listener 'two': UDP port 8095 is taken by listener 'json'"},
	{"profiles:\n",
	 "  - {name: json, protocol: udp, port: 9, profile: sensor, auth: none}\nprofiles:\n",
	 15,
	 "listeners: the name 'json' is taken"},
	{"    trust: 10.0.0.0/24\n",
	 "",
	 10,
	 "listener 'json' trusts nobody: give trust: [prefixes], or say auth: none"},
	{"    port: 8095",
	 "    port: 8095\n    auth: none",
	 15,
	 "listener 'json': trust has no effect without auth: trust"},
	{"    trust: 10.0.0.0/24",
	 "    auth: password",
	 14,
	 "listener 'json': auth: password is for MQTT only"},
	{"from: payload",
	 "from: identity",
	 13,
	 "listener 'json': nothing proves an identity here; profile 'sensor' must take the device "
	 "from payload, path or address"},
	{"from: payload",
	 "from: path",
	 13,
	 "listener 'json': a datagram has no path; profile 'sensor' must take the device from "
	 "elsewhere"},
	{", key: dev",
	 "",
	 13,
	 "listener 'json': profile 'sensor' takes the device from the payload: give device.key"},
	{"    port: 8095",
	 "    port: 8095\n    format: raw",
	 14,
	 "listener 'json': raw payload names no device; profile 'sensor' must take it from "
	 "elsewhere"},
	{"appliance: a1", "egress: {sink: file}", 1, "egress.sink: file needs egress.file_path"},
	{"appliance: a1",
	 "egress: {in_flight_size: 4KiB}",
	 1,
	 "egress.in_flight_size is smaller than one batch (egress.batch_size)"},
	{"appliance: a1",
	 "egress: {in_flight_records: 10}",
	 1,
	 "egress.in_flight_records is smaller than one batch (egress.batch_records)"},
	{"appliance: a1",
	 "egress: {batch_size: 16KiB}",
	 1,
	 "egress.batch_size is smaller than one message (65536 bytes)"},
	// what only a laboratory may do
	{"appliance: a1",
	 "egress: {sink: discard}",
	 1,
	 "egress.sink: discard throws every record away: say lab: yes, or change it"},
	{"'0000:01:00.0'",
	 "'net_memif0,role=server'",
	 4,
	 "ports[].devices: a peer that leaves a memif can end sluiced: say lab: yes, or change it"},
	{"brokers: kafka:9092",
	 "brokers: embedded",
	 22,
	 "kafka.brokers: embedded Kafka keeps the last 5 MiB per partition only: say lab: yes, or "
	 "change it"},
	{"  brokers:",
	 "  accept_weak_topic: yes\n  brokers:",
	 22,
	 "kafka.accept_weak_topic: an acknowledged record can be lost with one broker: say lab: "
	 "yes, or change it"},
	{"  brokers:",
	 "  properties: {sasl.password: hunter2}\n  brokers:",
	 22,
	 "kafka.properties.sasl.password: a secret must not stand here: write file:PATH or "
	 "credential:NAME"},
	{"appliance: a1",
	 "mqtt: {users: [{name: u, secret: hunter2}]}",
	 1,
	 "mqtt.users[0].secret: a secret must not stand here: write file:PATH or credential:NAME"},
	{"appliance: a1",
	 "frame: {keys: hunter2}",
	 1,
	 "frame.keys: must be file:PATH or credential:NAME"},
	{"appliance: a1",
	 "frame: {keys: 'file:/etc/passwd'}",
	 1,
	 "frame.keys: /etc/passwd is open to every user: chmod o-rwx it"},
	{"appliance: a1",
	 "frame: {keys: 'file:/nonexistent/keys'}",
	 1,
	 "frame.keys: cannot read /nonexistent/keys: No such file or directory"},
	{"appliance: a1",
	 "frame: {keys: credential:keys}",
	 1,
	 "frame.keys: CREDENTIALS_DIRECTORY is not set: start it by systemd"},
	{"appliance: a1",
	 "mqtt: {users: [{name: u, secret: 'env:SLUICE_NOT_SET'}]}",
	 1,
	 "mqtt.users[0].secret: the environment has no SLUICE_NOT_SET"},
	// librdkafka's properties
	{"  brokers:",
	 "  properties: {acks: 1}\n  brokers:",
	 22,
	 "kafka.properties.acks: is not for you to set: an acknowledgement means that all in-sync "
	 "replicas have it; choose per route with routes[].ack"},
	{"  brokers:",
	 "  properties: {a: 1, a: 2}\n  brokers:",
	 22,
	 "kafka.properties.a: stands here twice"},
	{"  brokers:",
	 "  properties: [acks]\n  brokers:",
	 22,
	 "kafka.properties: must be a map of names to text"},
	// not YAML at all
	{"appliance: a1", "appliance: [a1", 2, NULL},
	{"appliance: a1", "\tappliance: a1", 1, NULL},
	{"appliance: a1", "appliance: \xff", 0, NULL},
	{"appliance: a1",
	 "--- 1\n---\nappliance: a1",
	 1,
	 "the file must hold options ('name: value')"},
	{"appliance: a1",
	 "appliance: a1\n---\nlab: yes",
	 3,
	 "a second YAML document begins here; there must be one"},
};

static void file_write(const char *path, const char *text, size_t size) {
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

// Loads `text` from a file of its own.
static int load(const char *text, struct config_error *errors, uint32_t max, uint32_t *count) {
	char path[] = "/tmp/sluice-config-XXXXXX";
	int fd = mkstemp(path);
	struct config *const untouched = (struct config *)&fd;
	struct config *c = untouched;

	assert_true(fd >= 0);
	close(fd);
	file_write(path, text, strlen(text));
	int ret = config_load(path, &c, errors, max, count);
	if (ret == 0)
		config_free(c);
	else
		assert_ptr_equal(c, untouched);
	for (uint32_t i = 0; i < *count; i++)
		assert_string_equal(errors[i].file, path);
	unlink(path);
	return ret;
}

static void replaced(char *out, size_t size, const char *find, const char *replace) {
	const char *at = strstr(good, find);

	if (at == NULL)
		fail_msg("no '%s' in the good file", find);
	snprintf(out, size, "%.*s%s%s", (int)(at - good), good, replace, at + strlen(find));
}

static void the_good_file_is_good(void **) {
	struct config_error errors[4];
	uint32_t count;

	int ret = load(good, errors, 4, &count);
	for (uint32_t i = 0; i < count; i++)
		print_error("%u: %s\n", errors[i].line, errors[i].text);
	assert_int_equal(ret, 0);
	assert_int_equal(count, 0);
}

static void each_mistake_has_its_line_and_sentence(void **) {
	struct config_error errors[8];
	char text[sizeof(good) + 512];
	uint32_t count;
	int wrong = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool found = false;
		replaced(text, sizeof(text), cases[i].find, cases[i].replace);
		int ret = load(text, errors, 8, &count);
		for (uint32_t k = 0; k < count; k++)
			if (errors[k].line == cases[i].line
			    && (cases[i].text == NULL || strcmp(errors[k].text, cases[i].text) == 0
			    ))
				found = true;
		if (ret == -EINVAL && found)
			continue;
		wrong++;
		print_error(
			"'%s' -> %d, wanted %u: %s\n",
			cases[i].replace,
			ret,
			cases[i].line,
			cases[i].text
		);
		for (uint32_t k = 0; k < count; k++)
			print_error("      got %u: %s\n", errors[k].line, errors[k].text);
	}
	assert_int_equal(wrong, 0);
}

// The operator mends a file once, not once per mistake.
static void all_mistakes_are_collected_from_top_to_bottom(void **) {
	static const char text[] = "routes: [{name: r, topic: nowhere}]\n"
				   "appliace: x\n"
				   "ports: [{name: p, mtu: 1, devices: d}]\n"
				   "net: {icmp_rate: many}\n";
	struct config_error errors[8];
	uint32_t count;

	assert_int_equal(load(text, errors, 8, &count), -EINVAL);
	assert_int_equal(count, 4);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(errors[i].line, i + 1);
	assert_int_equal(load(text, errors, 2, &count), -EINVAL);
	assert_int_equal(count, 2);
	assert_int_equal(load(text, NULL, 0, &count), -EINVAL);
	assert_int_equal(count, 0);
}

static void no_property_of_the_contract_passes(void **) {
	struct config_error errors[2];
	char text[sizeof(good) + 512], change[256], start[128];
	uint32_t count;

	for (size_t i = 0; i < kafka_forbidden_count; i++) {
		snprintf(
			change,
			sizeof(change),
			"  properties: {%s: 1}\n  brokers:",
			kafka_forbidden_table[i].name
		);
		replaced(text, sizeof(text), "  brokers:", change);
		assert_int_equal(load(text, errors, 2, &count), -EINVAL);
		assert_int_equal(count, 1);
		snprintf(
			start,
			sizeof(start),
			"kafka.properties.%s: is not for you to set: ",
			kafka_forbidden_table[i].name
		);
		assert_memory_equal(errors[0].text, start, strlen(start));
	}
}

static void a_file_that_cannot_be_read_is_no_configuration(void **) {
	struct config_error errors[2];
	struct config *c = NULL;
	uint32_t count = 7;
	static char big[(1 << 20) + 2];
	char path[] = "/tmp/sluice-config-XXXXXX";

	assert_int_equal(config_load("/nonexistent/x.yaml", &c, errors, 2, &count), -ENOENT);
	assert_int_equal(count, 0);
	assert_int_equal(load("", errors, 2, &count), -EINVAL);
	assert_string_equal(errors[0].text, "the file is empty");
	assert_int_equal(config_load("/tmp", &c, errors, 2, &count), -EISDIR);

	close(mkstemp(path));
	memset(big, '#', sizeof(big));
	file_write(path, big, sizeof(big));
	assert_int_equal(config_load(path, &c, errors, 2, &count), -EFBIG);
	unlink(path);
	assert_null(c);
}

static void a_laboratory_may_write_secrets_down(void **) {
	struct config_error errors[2];
	char text[sizeof(good) + 512];
	uint32_t count;

	replaced(
		text,
		sizeof(text),
		"appliance: a1",
		"mqtt: {users: [{name: u, secret: hunter2}]}\nlab: yes"
	);
	assert_int_equal(load(text, errors, 2, &count), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_good_file_is_good),
		cmocka_unit_test(each_mistake_has_its_line_and_sentence),
		cmocka_unit_test(all_mistakes_are_collected_from_top_to_bottom),
		cmocka_unit_test(no_property_of_the_contract_passes),
		cmocka_unit_test(a_file_that_cannot_be_read_is_no_configuration),
		cmocka_unit_test(a_laboratory_may_write_secrets_down),
	};
	unsetenv("CREDENTIALS_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
