// SPDX-License-Identifier: Apache-2.0
// A good file gives the struct; every shipped file is a good file.
#include "config/config.h"

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

#ifndef SOURCE_DIR
#error "SOURCE_DIR is the top of the checkout"
#endif

static struct config *load(const char *path) {
	struct config_error errors[16];
	struct config *c = NULL;
	uint32_t count = 0;
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", SOURCE_DIR, path);
	int ret = config_load(full, &c, errors, 16, &count);
	for (uint32_t i = 0; i < count; i++)
		print_error("%s:%u: %s\n", errors[i].file, errors[i].line, errors[i].text);
	assert_int_equal(ret, 0);
	return c;
}

static void the_lab_file_is_what_the_lab_needs(void **) {
	struct config *c = load("config/sluice.yaml");
	const uint8_t host[4] = {10, 77, 0, 2};
	const uint8_t stranger[4] = {10, 78, 0, 2};

	assert_true(c->lab);
	assert_string_equal(c->run_dir, "/run/sluice");
	assert_string_equal(c->user, "sluice");
	assert_int_equal(c->dataplane.workers, 1);
	assert_int_equal(c->dataplane.memory_mib, 512);
	assert_int_equal(c->port_count, 1);
	assert_string_equal(c->ports[0].devices[0], "net_af_xdp0,iface=slu0");
	assert_string_equal(c->ports[0].exception_tap, "slux0");
	assert_int_equal(c->interface_count, 1);
	assert_int_equal(c->interfaces[0].address_count, 2);
	assert_int_equal(c->interfaces[0].addresses[1].prefix_len, 64);
	assert_int_equal(c->interfaces[0].gateway4.family, 0);
	assert_int_equal(c->listener_count, 5);
	assert_int_equal(c->listeners[1].port, 8094);
	assert_int_equal(c->listeners[1].format, PAYLOAD_LINE);
	assert_true(ip_prefix_contains(&c->listeners[1].trust[0], 4, host));
	assert_false(ip_prefix_contains(&c->listeners[1].trust[0], 4, stranger));
	assert_ptr_equal(c->listeners[0].profile, &c->profiles[0]);
	assert_int_equal(c->profiles[0].device_from, DEVICE_FROM_PATH);
	assert_true(view_equal(c->profiles[0].hints.time_key, VIEW_LITERAL("time")));
	assert_int_equal(c->profiles[0].hints.time_unit, TIME_MS);
	assert_ptr_equal(c->profiles[0].route, &c->routes[0]);
	assert_int_equal(c->topics[0].partitions, 4);
	assert_int_equal(c->kafka.dead_letter, 1);
	assert_string_equal(c->kafka.brokers, "embedded");
	config_free(c);
}

static void what_the_file_leaves_out_has_its_default(void **) {
	struct config *c = load("config/sluice.yaml");

	assert_int_equal(c->ports[0].mtu, 1500);
	assert_int_equal(c->net.fragment_timeout_ms, 15000);
	assert_int_equal(c->coap.upload_bytes, 16384);
	assert_int_equal(c->coap.max_age_s, 10);
	assert_int_equal(c->egress.linger_us, 2000);
	assert_int_equal(c->egress.in_flight_bytes, 64 << 20);
	assert_true(c->profiles[0].separate);
	config_free(c);
}

// systemd's side of `credential:`.
static void credentials_make(char dir[32], const char *const *names) {
	char path[64];

	snprintf(dir, 32, "/tmp/sluice-credentials-XXXXXX");
	assert_non_null(mkdtemp(dir));
	for (; *names != NULL; names++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *names);
		int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, "hush\n", 5), 5);
		close(fd);
	}
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
}

static void credentials_remove(const char *dir, const char *const *names) {
	char path[64];

	for (; *names != NULL; names++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *names);
		unlink(path);
	}
	rmdir(dir);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void the_appliance_example_takes_its_secrets_from_systemd(void **) {
	static const char *const names[] = {
		"frame-keys", "mqtt-valve-1", "kafka-key-password", NULL
	};
	char dir[32], keys[64];

	credentials_make(dir, names);
	struct config *c = load("config/examples/appliance.yaml");
	credentials_remove(dir, names);

	assert_false(c->lab);
	assert_int_equal(c->dataplane.memory_mib, 4096);
	assert_int_equal(c->dataplane.lcore_count, 4);
	assert_int_equal(c->dataplane.lcores[3], 7);
	assert_int_equal(c->interface_count, 2);
	assert_int_equal(c->interfaces[1].vlan, 200);
	assert_int_equal(c->interfaces[1].realm, 2);
	assert_int_equal(c->interfaces[0].gateway6.family, 6);
	snprintf(keys, sizeof(keys), "%s/frame-keys", dir);
	assert_string_equal(c->frame.keys, keys);
	assert_string_equal(c->mqtt.users[0].secret, "hush");
	assert_int_equal(c->egress.in_flight_records, 500000);
	assert_int_equal(c->kafka.property_count, 5);
	assert_string_equal(c->kafka.properties[4].name, "ssl.key.password");
	assert_string_equal(c->kafka.properties[4].value, "hush");
	config_free(c);
}

static void the_two_worker_example_loads(void **) {
	struct config *c = load("config/examples/two-workers.yaml");

	assert_int_equal(c->dataplane.workers, 2);
	assert_int_equal(c->ports[0].device_count, 1);
	config_free(c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_appliance_example_takes_its_secrets_from_systemd),
		cmocka_unit_test(the_two_worker_example_loads),
		cmocka_unit_test(the_lab_file_is_what_the_lab_needs),
		cmocka_unit_test(what_the_file_leaves_out_has_its_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
