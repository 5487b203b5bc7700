// SPDX-License-Identifier: Apache-2.0
// A file becomes a YAML document. Main thread.
#pragma once

#include "config/report.h"

#include <stddef.h>
#include <yaml.h>

#define DOCUMENT_FILE_MAX (1u << 20)
static_assert(DOCUMENT_FILE_MAX < 1u << REPORT_LINE_BITS);

// 0 and a document to delete, or -EINVAL with the mistake reported, or -ENOMEM.
int document_parse(struct report *r, const char *text, size_t size, yaml_document_t *out);

// The whole file, which the caller wipes and frees; NULL with -errno in *error (-EFBIG: larger than
// DOCUMENT_FILE_MAX).
char *document_slurp(const char *path, size_t *size, int *error);
