// SPDX-License-Identifier: Apache-2.0
// Numbers and device times of the text formats. Pure; independent of the locale.
#pragma once

#include "parsers/payload.h"

// Longest number text that is looked at; longer ones are PAYLOAD_BAD_NUMBER.
#define NUMBER_TEXT_MAX 64

// A whole text as an integer or a double ("1." and ".5" are numbers). PAYLOAD_BAD_NUMBER if it is
// no number or does not fit, PAYLOAD_NOT_FINITE for infinities and for what overflows a double.
enum payload_rc number_i64(struct view text, int64_t *out);
enum payload_rc number_u64(struct view text, uint64_t *out);
enum payload_rc number_f64(struct view text, double *out);

// A count of `unit`s since the epoch, or a text (RFC 3339), as nanoseconds. PAYLOAD_BAD_TIME if it
// is neither or does not fit 64 bits (years 1678..2262).
enum payload_rc time_from_i64(int64_t count, enum time_unit unit, int64_t *ns);
enum payload_rc time_from_f64(double count, enum time_unit unit, int64_t *ns);
enum payload_rc time_from_text(struct view text, int64_t *ns);
enum payload_rc time_from_value(const struct value *v, enum time_unit unit, int64_t *ns);
