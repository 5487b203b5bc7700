// SPDX-License-Identifier: Apache-2.0
// Raw segments into a stack with live connections: {peer, length, bytes}...
#include "tests/fuzz/tcp_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct bench b;

	bench_start(&b);
	for (unsigned i = 0; i < 4; i++)
		bench_open(&b, i, i / 2 != 0);
	while (size >= 2) {
		struct flow_key key = bench_key(data[0] % 6);
		uint32_t len = data[1];
		len = len < size - 2 ? len : (uint32_t)(size - 2);
		if (data[0] >= 200) {
			bench_pass(&b, data[1] * 10u);
			len = 0;
		} else {
			bench_in(&b, &key, data + 2, len);
		}
		bench_settle(&b);
		data += 2 + len;
		size -= 2 + len;
	}
	bench_end(&b);
	return 0;
}
