// SPDX-License-Identifier: Apache-2.0
// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>

bool utf8_valid(struct view text);
