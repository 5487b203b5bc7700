// SPDX-License-Identifier: Apache-2.0
// MQTT strings, topic names and topic filters (sections 1.5.4, 4.7, 4.8.2). Pure; any thread.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>

// Well-formed UTF-8 without U+0000 and without surrogates.
bool mqtt_utf8_valid(struct view s);

// A topic name: at least one character, no wildcard. The UTF-8 has to be checked as well.
bool mqtt_topic_valid(struct view topic);

// A topic filter: '#' alone in the last level, '+' alone in its level; with `shared` (MQTT 5) a
// filter that begins with $share/ must have a name and a filter behind it.
bool mqtt_filter_valid(struct view filter, bool shared);

bool mqtt_filter_shared(struct view filter); // begins with $share/

// Does every topic that `inner` matches also match `outer`? Both are valid filters; a filter that
// begins with a wildcard matches no topic that begins with '$'.
bool mqtt_filter_within(struct view inner, struct view outer);
