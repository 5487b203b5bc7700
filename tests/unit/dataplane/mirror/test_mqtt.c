// SPDX-License-Identifier: Apache-2.0
// Publishes out of somebody else's connection.
#include "dataplane/mirror/mqtt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define V311_CONNECT "\x10\x0e\0\4MQTT\4\2\0\x3c\0\2me"
#define V5_CONNECT "\x10\x0f\0\4MQTT\5\2\0\x3c\0\0\2me"

static char said[512]; // device|path|payload|retained; per message, read when the pipeline runs
static struct message waiting[16];
static uint32_t waiting_count, token_bad;
static struct ledger_messages ledger;
static struct profile profile;
static struct config_listener listener;
static struct mirror_mqtt *m;
static uint32_t at;

static void push(void *, const struct message *x) {
	waiting[waiting_count++] = *x;
	token_bad += x->token != TOKEN_NONE || x->transport != TRANSPORT_MQTT;
}

static void flush(void *) {
	for (uint32_t i = 0; i < waiting_count; i++) {
		const struct message *x = &waiting[i];
		size_t used = strlen(said);
		snprintf(
			said + used,
			sizeof(said) - used,
			"%.*s|%.*s|%.*s%s;",
			(int)x->device.len,
			(const char *)x->device.p,
			(int)x->path.len,
			(const char *)x->path.p,
			(int)x->payload.len,
			(const char *)x->payload.p,
			x->retained ? "|r" : ""
		);
	}
	waiting_count = 0;
}

static const struct config_listener *listens(void *, const struct flow_key *key) {
	return key->local_port == 1883 ? &listener : nullptr;
}

static int setup(void **) {
	const struct mirror_mqtt_env env = {
		.adapter = {.ledger = &ledger, .push = push},
		.flush = flush,
		.listener = listens,
		.streams = 8,
		.packet_max = 1024,
		.alias_max = 2,
	};

	said[0] = '\0';
	waiting_count = token_bad = 0;
	at = 1000;
	ledger = (struct ledger_messages) {0};
	profile = (struct profile) {.device_from = DEVICE_FROM_IDENTITY};
	listener = (struct config_listener) {.auth = AUTH_NONE, .profile = &profile};
	return mirror_mqtt_create(&env, &m);
}

static int teardown(void **) {
	assert_int_equal(token_bad, 0);
	assert_int_equal(waiting_count, 0);
	mirror_mqtt_destroy(m);
	return 0;
}

static void send(uint8_t flags, const char *bytes, uint32_t len) {
	const struct flow_key key = {.remote_port = 9, .local_port = 1883, .family = 4};
	uint8_t tcp[256] = {[12] = 5 << 4, [13] = flags};

	for (int i = 0; i < 4; i++)
		tcp[4 + i] = (uint8_t)(at >> (24 - 8 * i));
	memcpy(tcp + 20, bytes, len);
	mirror_mqtt_input(m, &key, view_of(tcp, 20 + len), 0, 0);
	memset(tcp, '?', sizeof(tcp)); // what a message points to may go now
	at += len + (flags == 2);
}
#define SEND(bytes) send(0x10, bytes, sizeof(bytes) - 1)

static void publishes_carry_the_client_id_topic_and_retain(void **) {
	send(2, "", 0);
	SEND(V311_CONNECT);
	SEND("\x30\5\0\2t1a\x33\7\0\2t2\0\1b\x34\7\0\2t3\0\2c\x62\2\0\2\xc0\0\xe0\0");
	assert_string_equal(said, "me|t1|a;me|t2|b|r;me|t3|c;");
}

static void every_segmentation_says_the_same(void **) {
	static const char all[] = V5_CONNECT "\x32\x0e\0\2t1\0\1\6\x26\0\1k\0\0"
					     "v\xc0\0\x30\5\0\1t\0w";

	for (uint32_t cut = 0; cut < sizeof(all); cut++) {
		said[0] = '\0';
		send(2, "", 0);
		if (cut == 0) {
			for (uint32_t i = 0; i < sizeof(all) - 1; i++)
				send(0x10, all + i, 1);
		} else {
			send(0x10, all, cut - 1);
			send(0x10, all + cut - 1, sizeof(all) - cut);
		}
		assert_string_equal(said, "me|t1|v;me|t|w;");
		at += 1000;
	}
}

static void topic_aliases_are_followed(void **) {
	send(2, "", 0);
	SEND(V5_CONNECT);
	SEND("\x30\x08\0\1a\3\x23\0\1x\x30\7\0\0\3\x23\0\1y\x30\x08\0\1b\3\x23\0\1z\x30\7\0\0\3\x23"
	     "\0\1w");
	assert_string_equal(said, "me|a|x;me|a|y;me|b|z;me|b|w;");
	SEND("\x30\7\0\0\3\x23\0\2y");
	assert_int_equal(mirror_mqtt_stats(m)->count[MIRROR_ALIAS_UNKNOWN], 1);
	assert_int_equal(ledger.refused[REFUSE_PROTOCOL], 1);
}

static void a_stream_without_connect_shows_its_version(void **) {
	SEND("\x30\6\0\1t{1}");
	SEND("\x30\5\0\1t\0b");
	assert_int_equal(mirror_mqtt_stats(m)->count[MIRROR_PICKED_UP], 1);
	assert_memory_equal(said, "|t|{1};|t|", 10);
	at += 50000;
	send(2, "", 0);
	said[0] = '\0';
	SEND("\x30\5\0\1t\0b");
	assert_string_equal(said, "");
	assert_int_equal(mirror_mqtt_stats(m)->count[MIRROR_NOT_MQTT], 1);
}

static void what_is_no_mqtt_is_counted_and_left(void **) {
	send(2, "", 0);
	SEND("GET / HTTP/1.1\r\n\r\n");
	SEND("\x30\5\0\2t1a");
	assert_string_equal(said, "");
	assert_int_equal(ledger.refused[REFUSE_PROTOCOL], 1);
	assert_int_equal(mirror_mqtt_stats(m)->count[MIRROR_AFTER_END], 1);
}

static void untrusted_sources_are_refused(void **) {
	listener.auth = AUTH_TRUST;
	send(2, "", 0);
	SEND(V311_CONNECT "\x30\5\0\2t1a");
	assert_string_equal(said, "");
	assert_int_equal(ledger.refused[REFUSE_UNTRUSTED], 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(publishes_carry_the_client_id_topic_and_retain),
		TEST(every_segmentation_says_the_same),
		TEST(topic_aliases_are_followed),
		TEST(a_stream_without_connect_shows_its_version),
		TEST(what_is_no_mqtt_is_counted_and_left),
		TEST(untrusted_sources_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
