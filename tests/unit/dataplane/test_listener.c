// SPDX-License-Identifier: Apache-2.0
#include "dataplane/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

// Realm 1: 10.0.0.1, fd00::1. Realm 2: 10.0.0.1 again.
static struct ip_prefix first_addresses[] = {
	{4, 24, {10, 0, 0, 1}},
	{6, 64, {0xfd, [15] = 1}},
};
static struct ip_prefix second_addresses[] = {{4, 24, {10, 0, 0, 1}}};
static struct config_interface interfaces[] = {
	{.realm = 1, .addresses = first_addresses, .address_count = 2},
	{.realm = 2, .vlan = 7, .addresses = second_addresses, .address_count = 1},
};
static struct ip_prefix services[] = {{4, 32, {10, 9, 9, 1}}, {4, 32, {10, 9, 9, 2}}};

static struct flow_key to(uint16_t realm, uint8_t family, const uint8_t *local, uint16_t port) {
	struct flow_key k = {
		.realm = realm,
		.family = family,
		.local_port = port,
		.protocol = IPPROTO_UDP,
		.remote = {1, 2, 3, 4},
		.remote_port = 999,
	};

	memcpy(k.local, local, family == 4 ? 4 : 16);
	return k;
}

static struct listener_table *table_of(struct config_listener *l, uint32_t n) {
	struct config c = {
		.interfaces = interfaces,
		.interface_count = 2,
		.listeners = l,
		.listener_count = n,
	};
	struct listener_table *t = NULL;
	uint32_t culprit;

	assert_int_equal(listener_table_create(&c, &t, &culprit), 0);
	return t;
}

static const uint8_t ten[] = {10, 0, 0, 1};
static const uint8_t nine1[] = {10, 9, 9, 1};
static const uint8_t nine2[] = {10, 9, 9, 2};
static const uint8_t v6[16] = {0xfd, [15] = 1};
static const uint8_t group6[16] = {0xff, 0x02, [15] = 0xfd};

static void without_addresses_a_listener_takes_all_of_its_realm(void **) {
	struct config_listener l[] = {{.protocol = LISTEN_UDP, .realm = 1, .port = 8094}};
	struct listener_table *t = table_of(l, 1);
	struct flow_key k = to(1, 4, ten, 8094);

	assert_ptr_equal(listener_lookup(t, &k), &l[0]);
	k = to(1, 6, v6, 8094);
	assert_ptr_equal(listener_lookup(t, &k), &l[0]);
	k = to(2, 4, ten, 8094);
	assert_null(listener_lookup(t, &k));
	k = to(1, 4, ten, 8095);
	assert_null(listener_lookup(t, &k));
	k = to(1, 4, ten, 8094);
	k.protocol = IPPROTO_TCP;
	assert_null(listener_lookup(t, &k));
	listener_table_destroy(t);
}

static void several_service_addresses(void **) {
	struct config_listener l[] = {
		{.protocol = LISTEN_COAP,
		 .realm = 1,
		 .port = 5683,
		 .addresses = services,
		 .address_count = 2},
		{.protocol = LISTEN_MQTT, .realm = 1, .port = 5683},
	};
	struct listener_table *t = table_of(l, 2);
	struct flow_key k = to(1, 4, nine1, 5683);

	assert_ptr_equal(listener_lookup(t, &k), &l[0]);
	k = to(1, 4, nine2, 5683);
	assert_ptr_equal(listener_lookup(t, &k), &l[0]);
	k = to(1, 4, ten, 5683); // not a service address of the CoAP listener
	assert_null(listener_lookup(t, &k));
	k.protocol = IPPROTO_TCP;
	assert_ptr_equal(listener_lookup(t, &k), &l[1]);
	listener_table_destroy(t);
}

static void rfc7252_12_8_coap_listens_to_all_coap_nodes(void **) {
	struct config_listener l[] = {
		{.protocol = LISTEN_UDP, .realm = 1, .port = 8094},
		{.protocol = LISTEN_COAP, .realm = 1, .port = 5683},
	};
	struct listener_table *t = table_of(l, 2);
	struct flow_key k = to(1, 6, group6, 5683);

	assert_ptr_equal(listener_lookup(t, &k), &l[1]);
	k = to(1, 6, group6, 8094);
	assert_null(listener_lookup(t, &k));
	listener_table_destroy(t);
}

static void two_listeners_cannot_share_an_address_and_port(void **) {
	struct config_listener l[] = {
		{.protocol = LISTEN_UDP, .realm = 1, .port = 8094},
		{.protocol = LISTEN_FRAME, .realm = 2, .port = 8094},
		{.protocol = LISTEN_COAP, .realm = 2, .port = 8094},
	};
	struct config c = {
		.interfaces = interfaces,
		.interface_count = 2,
		.listeners = l,
		.listener_count = 3,
	};
	struct listener_table *t = NULL;
	uint32_t culprit = 99;

	assert_int_equal(listener_table_create(&c, &t, &culprit), -EEXIST);
	assert_int_equal(culprit, 2);
	assert_null(t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_addresses_a_listener_takes_all_of_its_realm),
		cmocka_unit_test(several_service_addresses),
		cmocka_unit_test(rfc7252_12_8_coap_listens_to_all_coap_nodes),
		cmocka_unit_test(two_listeners_cannot_share_an_address_and_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
