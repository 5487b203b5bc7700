// SPDX-License-Identifier: Apache-2.0
#include "dataplane/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum log_level log_threshold = LOG_LEVEL_INFO;

void log_line(enum log_level level, const char *subsystem, const char *format, ...) {
	static const char *const names[] = {"error", "warn", "notice", "info", "debug"};
	char line[1024];
	struct timespec ts;
	struct tm tm;
	va_list args;

	if (level > log_threshold)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	int n = (int)strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += snprintf(
		line + n,
		sizeof(line) - (size_t)n,
		".%03ldZ %-6s %s: ",
		ts.tv_nsec / 1000000,
		names[level],
		subsystem
	);
	va_start(args, format);
	int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if (m < 0)
		return;
	n += m < (int)sizeof(line) - n - 1 ? m : (int)sizeof(line) - n - 2;
	line[n++] = '\n';
	// One write per line, so that lines of several threads do not mix; if stderr is gone there
	// is nobody left to tell.
	(void)!write(STDERR_FILENO, line, (size_t)n);
}
