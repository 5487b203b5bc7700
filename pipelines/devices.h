// SPDX-License-Identifier: Apache-2.0
// Stage: which place among the device states each record's device has (record.state). Stands behind
// authorize, so that nobody who may not send takes up a place.
// Thread: the worker's own.
#pragma once

#include "pipelines/device_state.h"

#include <stdint.h>

struct pipeline;

void devices_count(struct pipeline *p, enum device_rc rc);
void devices_burst(struct pipeline *p, uint16_t from, uint16_t to);
