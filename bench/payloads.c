// SPDX-License-Identifier: Apache-2.0
#include "bench/payloads.h"

// clang-format off
const struct bench_payload bench_payloads[] = {
	{"json", PAYLOAD_JSON, VIEW_LITERAL(
		"{\"dev\":\"sensor-000042\",\"ts\":1763712000123,\"temp\":21.47,\"hum\":40.5,\"press\":1013.25,"
		"\"batt\":3.61,\"ok\":true}")},
	{"line", PAYLOAD_LINE, VIEW_LITERAL(
		"env,dev=sensor-000042,site=north temp=21.47,hum=40.5,press=1013.25,batt=3.61,ok=t 1763712000123")},
	{"senml-json", PAYLOAD_SENML_JSON, VIEW_LITERAL(
		"[{\"bn\":\"sensor-000042/\",\"bt\":1763712000,\"n\":\"temp\",\"u\":\"Cel\",\"v\":21.47},"
		"{\"n\":\"hum\",\"u\":\"%RH\",\"v\":40.5}]")},
	// The pack of senml-json.
	{"senml-cbor", PAYLOAD_SENML_CBOR, VIEW_LITERAL(
		"\x82\xa5\x21\x6e" "sensor-000042/\x22\x1a\x69\x20\x1b\x00\x00\x64" "temp\x01\x63" "Cel"
		"\x02\xfb\x40\x35\x78\x51\xeb\x85\x1e\xb8"
		"\xa3\x00\x63hum\x01\x63%RH\x02\xfb\x40\x44\x40\x00\x00\x00\x00\x00")},
	// The object of json.
	{"cbor", PAYLOAD_CBOR, VIEW_LITERAL(
		"\xa7\x63" "dev\x6d" "sensor-000042\x62ts\x1b\x00\x00\x01\x9a\xa5\xb7\xa8\x7b\x64temp\xfb\x40\x35\x78\x51\xeb\x85\x1e\xb8"
		"\x63hum\xfb\x40\x44\x40\x00\x00\x00\x00\x00\x65press\xfb\x40\x8f\xaa\x00\x00\x00\x00\x00"
		"\x64" "batt\xfb\x40\x0c\xe1\x47\xae\x14\x7a\xe1\x62ok\xf5")},
	{"raw", PAYLOAD_RAW, VIEW_LITERAL(
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789")},
};
// clang-format on

const uint32_t bench_payload_count = sizeof(bench_payloads) / sizeof(bench_payloads[0]);

const struct payload_hints bench_hints = {
	.device_key = VIEW_LITERAL("dev"),
	.time_key = VIEW_LITERAL("ts"),
	.time_unit = TIME_MS,
	.now_ns = 1763712000000000000,
};
