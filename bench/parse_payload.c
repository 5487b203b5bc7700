// SPDX-License-Identifier: Apache-2.0
// Cycles per payload of each decoder, the input in cache.
#include "bench/cycles.h"
#include "bench/payloads.h"

#include <string.h>

#define REPEAT 10000

static struct readings readings;
static struct payload_decoder *decoder;

static void decode(void *input) {
	const struct bench_payload *p = input;

	for (int i = 0; i < REPEAT; i++) {
		readings_reset(&readings);
		enum payload_rc rc =
			payload_decode(decoder, p->format, p->bytes, &bench_hints, &readings);
		if (rc != PAYLOAD_OK) {
			fprintf(stderr, "%s: %s\n", p->name, payload_rc_label(rc));
			exit(1);
		}
	}
}

// With an argument, only the input of that name.
int main(int argc, char **argv) {
	decoder = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	for (uint32_t i = 0; i < bench_payload_count; i++) {
		struct bench_payload p = bench_payloads[i];
		if (argc > 1 && strcmp(argv[1], p.name) != 0)
			continue;
		double cycles = cycles_per_operation(decode, &p, REPEAT);
		printf("{\"what\":\"parse\",\"input\":\"%s\",\"bytes\":%u,\"fields\":%u,\"cycles\":"
		       "%.0f}\n",
		       p.name,
		       p.bytes.len,
		       readings.field_count,
		       cycles);
	}
	return 0;
}
