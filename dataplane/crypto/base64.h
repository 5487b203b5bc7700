// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648 section 4) back to bytes. Any thread.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// False if `text` is no base64 or does not fit into `room`.
bool base64_decode(struct view text, uint8_t *out, size_t room, size_t *len);
