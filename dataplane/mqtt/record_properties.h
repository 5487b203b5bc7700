// SPDX-License-Identifier: Apache-2.0
// What MQTT 5 says about a message beside its content type travels as properties of the record.
// Pure; any thread.
#pragma once

#include "parsers/mqtt_props.h"
#include "pipelines/record.h"

#define MQTT_EXPIRY_TEXT 16
#define MQTT_RECORD_PROPERTIES_MAX (MQTT_USER_PROPERTIES_MAX + 4)

// How many of out[0..MQTT_RECORD_PROPERTIES_MAX) were set: the user's first. They point into the
// packet and into `expiry`, MQTT_EXPIRY_TEXT bytes that are needed only with a message expiry.
uint16_t mqtt_record_properties(const struct mqtt_props *p, uint8_t *expiry, struct property *out);
