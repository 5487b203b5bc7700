// SPDX-License-Identifier: Apache-2.0
// Which dead letters have been sent through the pipeline again, so that doing it twice does it
// once. A text file, one "partition offset" a line, appended and flushed before anybody is told.
// Thread: the letters thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct letter_marks;

#define MARKS_MAX (1u << 17) // remembered; beyond it marks_add() says -ENOSPC

// 0, -ENOMEM, or -errno of the file. A line that was cut short is not believed.
int marks_open(const char *path, struct letter_marks **out);
void marks_close(struct letter_marks *m); // accepts NULL

bool marks_has(const struct letter_marks *m, int32_t partition, int64_t offset);
int marks_add(struct letter_marks *m, int32_t partition, int64_t offset); // 0 or -errno
int marks_flush(struct letter_marks *m); // 0 or -errno: on disk
