// SPDX-License-Identifier: Apache-2.0
// Header, options, stateless handshake and timestamps: rows 1..3, 5..29, 63, 73 of docs/tcp.md.
#include "rig.h"

#define TABLE(name, options, ...)                                                                  \
	static void name(void **) {                                                                \
		static const struct step steps[] = {__VA_ARGS__, END};                             \
		rig_table(steps, options);                                                         \
	}

#define BOTH_FAMILIES(f) for (uint8_t f = 4; f <= 6; f += 2)

static const struct rig_options closed = {.closed = true};
static const struct rig_options with_ts = {.ts = true};
static const struct rig_options full = {.ts = true, .sack = true, .scale = true, .shift = 7};

static uint32_t be32(const uint8_t *p) {
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t
raw(struct rig *r, uint8_t *out, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t len) {
	uint8_t payload[64];

	for (uint32_t i = 0; i < len; i++)
		payload[i] = peer_byte(seq - r->peer_isn + i);
	return rig_build(out, &r->key, seq, ack, flags, 60000, NULL, 0, payload, len);
}

static void send_bytes(struct rig *r, uint32_t n) {
	uint8_t bytes[16384];

	for (uint32_t k = 0; k < n; k++)
		bytes[k] = our_byte(1 + (uint64_t)k);
	tcp_send(r->tcp, r->conn, bytes, n);
	rig_flush(r);
}

static void rfc_01_bad_checksum_is_dropped(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		uint8_t b[100];

		rig_start(&r, f, &(struct rig_options) {0});
		uint32_t len = raw(&r, b, r.peer_isn + 1, r.our_isn + 1, A, 30);
		for (uint32_t bit = 0; bit < len * 8; bit++) {
			b[bit / 8] ^= (uint8_t)(1 << bit % 8);
			rig_raw(&r, b, len);
			rig_flush(&r);
			b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(r.out_count, 0);
		assert_int_equal(rig_counter(&r, TCP_BAD_CHECKSUM), len * 8);
		assert_int_equal(r.delivered, 0);
		rig_raw(&r, b, len);
		assert_int_equal(r.delivered, 30);
		rig_stop(&r);
	}
}

// rig_check_sent() judges every segment of every test; here odd and even lengths of payload.
static void rfc_02_sent_checksums(void **) {
	BOTH_FAMILIES(f) {
		for (uint32_t n = 1; n < 40; n++) {
			struct rig r;
			rig_start(&r, f, &full);
			const struct step s[] = {SEND(n), OUT(A, 1, 1, n), END};
			rig_run(&r, s);
			rig_stop(&r);
		}
	}
}

static void rfc_03_data_offset(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		uint8_t b[100];

		rig_start(&r, f, &(struct rig_options) {0});
		for (unsigned offset = 0; offset < 16; offset++) {
			uint32_t len = raw(&r, b, r.peer_isn + 1, r.our_isn + 1, A, 10);
			if (offset == 5 || (offset > 5 && offset * 4 <= len))
				continue;
			b[12] = (uint8_t)(offset << 4);
			b[16] = b[17] = 0;
			uint16_t sum = rig_checksum(&r.key, b, len);
			b[16] = (uint8_t)(sum >> 8);
			b[17] = (uint8_t)sum;
			uint64_t before = rig_counter(&r, TCP_BAD_OFFSET);
			rig_raw(&r, b, len);
			assert_int_equal(rig_counter(&r, TCP_BAD_OFFSET), before + 1);
		}
		for (uint32_t len = 0; len < 20; len++) {
			struct tcp_segment_in in = {
				.key = &r.key, .bytes = b, .len = len, .checksum_ok = true
			};
			tcp_input(r.tcp, &in, 1, r.now);
		}
		assert_int_equal(rig_counter(&r, TCP_BAD_SHORT), 20);
		assert_int_equal(r.delivered, 0);
		rig_stop(&r);
	}
}

// A segment with the given option bytes (padded with END) is used as if it had none.
static void
with_options(uint8_t family, uint8_t flags, const char *bytes, uint32_t n, uint64_t bad) {
	struct rig r;
	uint8_t b[200];
	uint8_t o[40] = {0};

	rig_start(&r, family, &(struct rig_options) {0});
	memcpy(o, bytes, n);
	uint8_t payload[1] = {peer_byte(1)};
	uint32_t len = rig_build(
		b, &r.key, r.peer_isn + 1, r.our_isn + 1, flags, 60000, o, (n + 3) & ~3u, payload, 1
	);
	rig_raw(&r, b, len);
	rig_flush(&r);
	assert_int_equal(r.delivered, 1);
	assert_int_equal(rig_counter(&r, TCP_BAD_OPTION), bad);
	rig_stop(&r);
}

static void rfc_05_unknown_options_are_skipped(void **) {
	BOTH_FAMILIES(f) {
		with_options(f, A, "\x1e\x06zzzz\x01\xfd\x02\x00", 10, 0);
		with_options(
			f, A, "\x01\x01\x01\x00\xff\xff\xff\xff", 8, 0
		); // nothing counts after EOL
	}
}

static void rfc_06_impossible_option_lengths(void **) {
	BOTH_FAMILIES(f) {
		with_options(f, A, "\x1e\x00\x00\x00", 4, 1);
		with_options(f, A, "\x1e\x01\x00\x00", 4, 1);
		with_options(f, A, "\x1e\x05\x00\x00", 4, 1);
		with_options(f, A, "\x01\x01\x01\x08", 4, 1); // no room for the length
		with_options(f, A, "\x08\x0a\x00\x00\x00\x00\x00\x00", 8, 1);
		with_options(f, A, "\x05\xff\x00\x00", 4, 1);
	}
}

// MSS, scale and SACK-permitted outside a SYN change nothing.
static void rfc_07_late_options_are_ignored(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		uint8_t b[100];

		rig_start(&r, f, &(struct rig_options) {.win = 3000});
		uint8_t o[12] = {3, 3, 14, 2, 4, 0, 88, 4, 2, 1, 1, 1};
		uint32_t len = rig_build(
			b, &r.key, r.peer_isn + 1, r.our_isn + 1, A, 3000, o, 12, NULL, 0
		);
		rig_raw(&r, b, len);
		const struct step s[] = {
			SEND(6000),
			OUT(A, 1, 1, 0, .any_len = true),
			OUT(A, -1, 1, 0, .any_len = true),
			DROP,
			IN(A, 3, 1, 1, .win = 3000), // out of order: no SACK is negotiated
			OUT(A, -1, 1, 0, .no_sack = true),
			END,
		};
		rig_run(&r, s);
		rig_stop(&r);
	}
}

static void rfc_08_reserved_bits(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		uint8_t b[100];

		rig_start(&r, f, &(struct rig_options) {0});
		uint32_t len = raw(&r, b, r.peer_isn + 1, r.our_isn + 1, 0xc0 | A, 10);
		b[12] |= 0x0f;
		b[16] = b[17] = 0;
		uint16_t sum = rig_checksum(&r.key, b, len);
		b[16] = (uint8_t)(sum >> 8);
		b[17] = (uint8_t)sum;
		rig_raw(&r, b, len);
		rig_flush(&r);
		assert_int_equal(r.delivered, 10);
		rig_stop(&r);
	}
}

static uint32_t announced_mss(uint8_t family, uint16_t mtu) {
	struct rig r;
	uint8_t n = 0;

	rig_start(&r, family, &(struct rig_options) {.closed = true, .mtu = mtu, .ts = true});
	const struct step s[] = {IN(S, 0, 0, 0), END};
	rig_in(&r, &s[0]);
	struct sent *out = rig_pop(&r);
	assert_non_null(out);
	const uint8_t *mss = sent_option(out, 2, &n);
	assert_non_null(mss);
	assert_int_equal(n, 2);
	uint32_t v = (uint32_t)mss[0] << 8 | mss[1];
	rig_stop(&r);
	return v;
}

static void rfc_09_mss_announced(void **) {
	static const uint16_t mtu[] = {1280, 1500, 9000};

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(announced_mss(4, mtu[i]), mtu[i] - 40);
		assert_int_equal(announced_mss(6, mtu[i]), mtu[i] - 60);
	}
}

// The first segment of a large reply, for what the peer said about its MSS.
static uint32_t first_payload(uint8_t family, uint16_t mss, bool ts, uint16_t mtu) {
	struct rig r;

	rig_start(&r, family, &(struct rig_options) {.mss = mss, .ts = ts, .mtu = mtu});
	send_bytes(&r, 12000);
	struct sent *out = rig_pop(&r);
	assert_non_null(out);
	uint32_t n = sent_payload(out);
	rig_stop(&r);
	return n;
}

static void rfc_10_no_mss_option(void **) {
	assert_int_equal(first_payload(4, 1, false, 0), 536);
	assert_int_equal(first_payload(6, 1, false, 0), 1220);
}

static void rfc_11_segment_size(void **) {
	assert_int_equal(first_payload(4, 1460, false, 0), 1460);
	assert_int_equal(first_payload(4, 1460, true, 0), 1448);
	assert_int_equal(first_payload(6, 1440, false, 0), 1440);
	assert_int_equal(first_payload(6, 1440, true, 0), 1428);
	// never above the peer's, whatever the cookie's table holds; never above our MTU
	assert_in_range(first_payload(4, 1399, false, 0), 1200, 1399);
	assert_int_equal(first_payload(4, 8960, false, 1400), 1360);
	assert_int_equal(first_payload(4, 8960, false, 9000), 8960);
}

static void rfc_12_mss_floor(void **) {
	assert_int_equal(first_payload(4, 2, false, 0), 216);
	assert_int_equal(first_payload(6, 100, true, 0), 216 - 12);
}

static uint32_t syn_ack_isn(struct rig *r, uint32_t peer_isn) {
	r->peer_isn = peer_isn;
	const struct step syn = IN(S, 0, 0, 0);
	rig_in(r, &syn);
	struct sent *out = rig_pop(r);
	assert_non_null(out);
	return sent_seq(out);
}

// RFC 6528: other tuples, other times, other ISNs; no bit is constant.
static void rfc_13_isn(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		uint32_t ones = 0, zeros = 0;

		rig_start(&r, f, &closed);
		uint32_t first = syn_ack_isn(&r, 1);
		assert_int_equal(syn_ack_isn(&r, 1), first); // a retransmitted SYN is the same SYN
		rig_advance(&r, 70000);
		assert_int_not_equal(syn_ack_isn(&r, 1), first);
		for (uint16_t p = 1; p <= 400; p++) {
			r.key.remote_port = p;
			uint32_t isn = syn_ack_isn(&r, 1);
			ones |= isn;
			zeros |= ~isn;
		}
		assert_int_equal(ones, UINT32_MAX);
		assert_int_equal(zeros, UINT32_MAX);
		rig_stop(&r);
	}
}

static void rfc_14_15_closed_port(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;

		rig_start(&r, f, &closed);
		r.key.local_port = 9;
		r.our_isn = 0;
		const struct step s[] = {
			IN(S, 0, 0, 0),
			OUT(R | A, 0, 1, 0),
			IN(S, 0, 0, 10),
			OUT(R | A, 0, 11, 0),
			IN(A, 5, 99, 0),
			OUT(R, 99, 0, 0),
			IN(F | A, 5, 99, 3),
			OUT(R, 99, 0, 0),
			IN(R, 5, 0, 0),
			IN(R | A, 5, 99, 0),
			NONE,
			END,
		};
		rig_run(&r, s);
		assert_int_equal(rig_counter(&r, TCP_NO_LISTENER), 6);
		rig_stop(&r);
	}
}

static void rfc_15_resets_are_limited(void **) {
	struct rig r;

	rig_start(&r, 4, &closed);
	r.key.local_port = 9;
	for (int i = 0; i < 1500; i++) {
		const struct step syn = IN(S, 0, 0, 0);
		rig_in(&r, &syn);
		r.out_count = 0;
	}
	assert_int_equal(rig_counter(&r, TCP_RST_SENT), 1000);
	assert_int_equal(rig_counter(&r, TCP_RST_LIMITED), 500);
	rig_advance(&r, 1000);
	const struct step syn = IN(S, 0, 0, 0);
	rig_in(&r, &syn);
	assert_int_equal(rig_counter(&r, TCP_RST_SENT), 1001);
	rig_stop(&r);
}

static void rfc_16_impossible_addresses(void **) {
	static const struct {
		uint8_t family;
		uint8_t remote[16];
	} bad[] = {
		{4, {0, 0, 0, 0}},
		{4, {127, 0, 0, 1}},
		{4, {224, 0, 0, 1}},
		{4, {255, 255, 255, 255}},
		{4, {240, 1, 1, 1}},
		{4, {192, 0, 2, 1}},
		{6, {0}},
		{6, {[15] = 1}},
		{6, {0xff, 0x02, [15] = 1}},
		{6, {0x20, 0x01, 0x0d, 0xb9, [15] = 1}},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rig r;
		rig_start(&r, bad[i].family, &closed);
		memcpy(r.key.remote, bad[i].remote, 16);
		const struct step syn = IN(S, 0, 0, 0);
		rig_in(&r, &syn);
		assert_int_equal(r.out_count, 0);
		assert_int_equal(rig_counter(&r, TCP_BAD_ADDRESS), 1);
		rig_stop(&r);
	}
}

TABLE(rfc_17_absurd_flags,
      &closed,
      IN(S | F, 0, 0, 0),
      IN(S | R, 0, 0, 0),
      IN(0, 0, 0, 0),
      IN(F, 0, 0, 0),
      IN(F | P | U, 0, 0, 0),
      IN(S | F | R | P | A | U, 0, 0, 0),
      IN(P, 0, 0, 0),
      NONE,
      COUNT(TCP_BAD_FLAGS, 7))

static void rfc_18_data_on_syn(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		rig_start(&r, f, &closed);
		const struct step syn = IN(S, 0, 0, 10);
		rig_in(&r, &syn);
		struct sent *out = rig_pop(&r);
		assert_int_equal(sent_ack(out), r.peer_isn + 1);
		r.our_isn = sent_seq(out);
		r.isn_known = true;
		const struct step s[] = {IN(A, 1, 1, 10), OUT(A, 1, 11, 0), GOT(10), END};
		rig_run(&r, s);
		rig_stop(&r);
	}
}

static void rfc_19_no_state_after_syn(void **) {
	struct rig r;
	struct tcp_stats before, after;

	rig_start(&r, 4, &closed);
	tcp_stats(r.tcp, &before);
	for (uint32_t i = 0; i < 1000000; i++) {
		uint8_t b[20];
		r.key.remote_port = (uint16_t)(1 + i % 60000);
		r.key.remote[3] = (uint8_t)(i / 60000);
		uint32_t len = rig_build(b, &r.key, i, 0, S, 1000, NULL, 0, NULL, 0);
		struct tcp_segment_in in = {
			.key = &r.key, .path = {"path-bytes"}, .bytes = b, .len = len
		};
		r.conn.index = 0;
		r.isn_known = false;
		tcp_input(r.tcp, &in, 1, r.now);
		assert_int_equal(r.out_count, 1);
		r.out_count = 0;
	}
	tcp_stats(r.tcp, &after);
	assert_int_equal(after.counters[TCP_SYN_COOKIES], 1000000);
	assert_int_equal(after.conns, before.conns);
	assert_int_equal(after.buffer_bytes, before.buffer_bytes);
	assert_int_equal(after.time_wait, before.time_wait);
	assert_int_equal(after.sources, before.sources);
	rig_stop(&r);
}

// A SYN-ACK was received; the final ACK comes with one thing different, `later` ms afterwards.
static void
cookie_case(uint8_t f, const struct rig_options *o, int what, uint32_t later, bool good) {
	struct rig r;
	struct rig_options c = *o;
	uint8_t n;

	c.closed = true;
	rig_start(&r, f, &c);
	r.our_isn = syn_ack_isn(&r, r.peer_isn);
	struct sent *out = &r.out[(r.out_head + RIG_QUEUE - 1) % RIG_QUEUE];
	const uint8_t *ts = sent_option(out, 8, &n);
	if (ts != NULL)
		r.our_tsval = be32(ts);
	rig_advance(&r, later);
	struct step ack = IN(A, 1, 1, 0);
	if (what == 1)
		r.key.remote_port++;
	else if (what == 2)
		r.key.local_port++;
	else if (what == 3)
		ack.seq = 2;
	else if (what == 4)
		ack.ack = 2;
	else if (what == 5)
		r.key.remote[15 - 12 * (f == 4)]++;
	else if (what == 6)
		ack.flags = A | R;
	else if (what == 7)
		ack.flags = A | S;
	else if (what == 8)
		r.our_tsval ^= 4; // another window scale
	else if (what == 9)
		ack.no_ts = true;
	rig_in(&r, &ack);
	assert_int_equal((r.events & EV_OPENED) != 0, good);
	r.key.remote_port -= what == 1;
	rig_stop(&r);
}

static void rfc_20_cookie_binds_everything(void **) {
	BOTH_FAMILIES(f) {
		cookie_case(f, &(struct rig_options) {0}, 0, 0, true);
		cookie_case(f, &(struct rig_options) {0}, 0, 60000, true);
		cookie_case(f, &(struct rig_options) {0}, 0, 129000, false);
		cookie_case(f, &with_ts, 0, 60000, true);
		cookie_case(f, &with_ts, 0, 200000, false);
		for (int what = 1; what <= 5; what++) {
			cookie_case(f, &(struct rig_options) {0}, what, 0, false);
			cookie_case(f, &full, what, 0, false);
		}
		cookie_case(f, &full, 8, 0, false);
		cookie_case(f, &full, 9, 0, false);
	}
}

static void rfc_21_cookie_with_rst_or_syn(void **) {
	BOTH_FAMILIES(f) {
		cookie_case(f, &(struct rig_options) {0}, 6, 0, false);
		cookie_case(f, &(struct rig_options) {0}, 7, 0, false);
	}
}

static void rfc_22_cookie_with_data_and_fin(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		rig_start(&r, f, &closed);
		r.our_isn = syn_ack_isn(&r, r.peer_isn);
		r.isn_known = true;
		// the second data segment first: it must not be reset
		const struct step s[] = {
			IN(A, 21, 1, 20),
			NONE,
			EVENT(0),
			IN(A | P, 1, 1, 20),
			OUT(A, 1, 21, 0),
			GOT(20),
			EVENT(EV_OPENED),
			IN(A | F, 21, 1, 20),
			OUT(A, 1, 42, 0),
			GOT(40),
			EVENT(EV_EOF),
			END,
		};
		rig_run(&r, s);
		rig_stop(&r);
		rig_start(&r, f, &closed);
		r.our_isn = syn_ack_isn(&r, r.peer_isn);
		r.isn_known = true;
		const struct step fin[] = {
			IN(A | F, 1, 1, 20),
			OUT(A, 1, 22, 0),
			GOT(20),
			EVENT(EV_OPENED | EV_EOF),
			END,
		};
		rig_run(&r, fin);
		rig_stop(&r);
	}
}

TABLE(rfc_23_duplicates_after_establishment,
      NULL,
      IN(A, 1, 1, 0),
      NONE,
      IN(A, 1, 1, 5),
      OUT(A, 1, 6, 0),
      IN(A, 1, 1, 0),
      OUT(A, 1, 6, 0),
      WAIT(600),
      IN(S, 0, 0, 0),
      OUT(A, 1, 6, 0),
      EVENT(0),
      GOT(5))

static void rfc_24_window_scale(void **) {
	static const struct {
		uint8_t shift;
		uint32_t window, flight;
	} cases[] = {{0, 700, 700}, {3, 100, 800}, {14, 1, 16384}, {20, 1, 16384}};

	BOTH_FAMILIES(f) {
		for (unsigned i = 0; i < 4; i++) {
			struct rig r;
			uint8_t n = 0;
			uint32_t total = 0;
			struct rig_options o = {
				.ts = true,
				.scale = true,
				.shift = cases[i].shift,
				.win = (uint16_t)cases[i].window,
			};
			rig_start(&r, f, &o);
			const struct step ack = IN(A, 1, 1, 0, .win = (int32_t)cases[i].window);
			rig_in(&r, &ack);
			send_bytes(&r, 16384);
			while (r.out_count > 0)
				total += sent_payload(rig_pop(&r));
			// all that the window and ten segments allow, less what is no full segment
			uint32_t most = cases[i].flight < 14480 ? cases[i].flight : 14480;
			assert_in_range(total, most > 1448 ? most - 1448 : most / 2, most);
			// not offered by the peer: not answered
			rig_stop(&r);
			rig_start(&r, f, &(struct rig_options) {.ts = true, .closed = true});
			syn_ack_isn(&r, r.peer_isn);
			assert_null(
				sent_option(&r.out[(r.out_head + RIG_QUEUE - 1) % RIG_QUEUE], 3, &n)
			);
			rig_stop(&r);
		}
	}
}

// rig_check_sent(): the option is in every segment, or in none.
static void rfc_25_timestamps_in_every_segment(void **) {
	static const struct step steps[] = {
		SEND(10),
		OUT(A, 1, 1, 10),
		WAIT(1100),
		DROP,
		IN(A, 1, 11, 10),
		DROP,
		IN(A, 30, 11, 10),
		DROP,
		DO(CLOSE),
		DROP,
		END,
	};

	rig_table(steps, &with_ts);
	rig_table(steps, NULL);
}

static void rfc_26_tsval_continues_from_syn_ack(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		rig_start(&r, f, &full); // rig_open() remembers the SYN-ACK's
		const struct step s[] = {
			SEND(10), OUT(A, 1, 1, 10), WAIT(10), IN(A, 1, 11, 1), OUT(A, 11, 2, 0), END
		};
		rig_run(&r, s);
		rig_stop(&r);
	}
}

static void rfc_27_ts_recent(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		uint8_t n;
		rig_start(&r, f, &with_ts);
		// early data with a newer timestamp must not move the echo: the delayed segment
		// that fills the gap would be refused
		const struct step s[] = {
			IN(A, 11, 1, 10, .ts = 500),
			OUT(A, 1, 1, 0),
			IN(A, 1, 1, 10, .ts = 100),
			END,
		};
		rig_run(&r, (const struct step[]) {s[0], s[1], END});
		rig_in(&r, &s[2]);
		assert_int_equal(r.delivered, 20);
		const uint8_t *ts = sent_option(rig_pop(&r), 8, &n);
		assert_int_equal(be32(ts + 4), (uint32_t)(r.now / 1000000) + 77000 + 100);
		rig_stop(&r);
	}
}

static void rfc_28_paws(void **) {
	static const struct step steps[] = {
		IN(A, 1, 1, 10, .ts = 100),
		OUT(A, 1, 11, 0),
		IN(A, 11, 1, 10, .ts = 50),
		OUT(A, 1, 11, 0),
		COUNT(TCP_PAWS, 1),
		GOT(10),
		// 25 days later the remembered value says nothing
		WAIT(2160000000),
		IN(A, 11, 1, 10, .ts = -2147000000),
		OUT(A, 1, 21, 0),
		GOT(20),
		// a reset is judged by its sequence number only
		IN(R, 21, 0, 0, .ts = -2147000000),
		NONE,
		EVENT(CLOSED(TCP_CLOSED_RESET)),
		END,
	};

	rig_table(steps, &with_ts);
}

TABLE(rfc_29_missing_timestamp,
      &with_ts,
      IN(A, 1, 1, 10, .no_ts = true),
      NONE,
      COUNT(TCP_NO_TIMESTAMP, 1),
      GOT(0),
      IN(A, 1, 1, 10),
      OUT(A, 1, 11, 0),
      GOT(10),
      IN(R, 11, 0, 0, .no_ts = true),
      EVENT(CLOSED(TCP_CLOSED_RESET)))

TABLE(rfc_63_urgent_is_inline,
      NULL,
      IN(A | U, 1, 1, 10, .urgent = 5),
      OUT(A, 1, 11, 0),
      GOT(10),
      IN(A | U, 11, 1, 10, .urgent = 65535),
      OUT(A, 1, 21, 0),
      GOT(20),
      IN(A | U, 21, 1, 0),
      NONE,
      EVENT(0))

static void rfc_73_tfo_is_ignored(void **) {
	BOTH_FAMILIES(f) {
		struct rig r;
		uint8_t b[100];
		uint8_t o[12] = {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1};

		rig_start(&r, f, &closed);
		uint32_t len = rig_build(
			b, &r.key, r.peer_isn, 0, S, 1000, o, 12, (const uint8_t *)"data", 4
		);
		rig_raw(&r, b, len);
		struct sent *out = rig_pop(&r);
		assert_int_equal(out->bytes[13], S | A);
		assert_int_equal(sent_ack(out), r.peer_isn + 1);
		rig_stop(&r);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_01_bad_checksum_is_dropped),
		cmocka_unit_test(rfc_02_sent_checksums),
		cmocka_unit_test(rfc_03_data_offset),
		cmocka_unit_test(rfc_05_unknown_options_are_skipped),
		cmocka_unit_test(rfc_06_impossible_option_lengths),
		cmocka_unit_test(rfc_07_late_options_are_ignored),
		cmocka_unit_test(rfc_08_reserved_bits),
		cmocka_unit_test(rfc_09_mss_announced),
		cmocka_unit_test(rfc_10_no_mss_option),
		cmocka_unit_test(rfc_11_segment_size),
		cmocka_unit_test(rfc_12_mss_floor),
		cmocka_unit_test(rfc_13_isn),
		cmocka_unit_test(rfc_14_15_closed_port),
		cmocka_unit_test(rfc_15_resets_are_limited),
		cmocka_unit_test(rfc_16_impossible_addresses),
		cmocka_unit_test(rfc_17_absurd_flags),
		cmocka_unit_test(rfc_18_data_on_syn),
		cmocka_unit_test(rfc_19_no_state_after_syn),
		cmocka_unit_test(rfc_20_cookie_binds_everything),
		cmocka_unit_test(rfc_21_cookie_with_rst_or_syn),
		cmocka_unit_test(rfc_22_cookie_with_data_and_fin),
		cmocka_unit_test(rfc_23_duplicates_after_establishment),
		cmocka_unit_test(rfc_24_window_scale),
		cmocka_unit_test(rfc_25_timestamps_in_every_segment),
		cmocka_unit_test(rfc_26_tsval_continues_from_syn_ack),
		cmocka_unit_test(rfc_27_ts_recent),
		cmocka_unit_test(rfc_28_paws),
		cmocka_unit_test(rfc_29_missing_timestamp),
		cmocka_unit_test(rfc_63_urgent_is_inline),
		cmocka_unit_test(rfc_73_tfo_is_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
