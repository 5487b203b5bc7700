// SPDX-License-Identifier: Apache-2.0
// The member `findings` of the JSON envelope and of dead letters (docs/record.md). Hot path, pure.
#pragma once

#include "pipelines/burst.h"

uint32_t findings_json_bound(const struct record *rec);
// Writes nothing if the record has no findings.
uint8_t *findings_json(uint8_t *p, const struct record *rec);
