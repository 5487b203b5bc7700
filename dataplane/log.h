// SPDX-License-Identifier: Apache-2.0
// Structured log lines on stderr: time, level, subsystem, sentence, key=value.
// Never on a worker (tests/lint/hotpath checks it); never payload, topic content or credentials.
#pragma once

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

extern enum log_level log_threshold; // set once at start

[[gnu::format(printf, 3, 4)]]
void log_line(enum log_level level, const char *subsystem, const char *format, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, LOG_SUBSYSTEM, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, LOG_SUBSYSTEM, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, LOG_SUBSYSTEM, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, LOG_SUBSYSTEM, __VA_ARGS__)
