// SPDX-License-Identifier: Apache-2.0
// A file becomes a YAML document; the walk makes a configuration of it and of the files it names.
#include "config/build.h"
#include "config/document.h"
#include "config/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int text_load(struct build *b, const char *text, size_t size) {
	yaml_document_t doc;
	int ret = document_parse(b->report, text, size, &doc);

	if (ret < 0)
		return ret == -EINVAL ? 0 : ret; // it is in the report
	struct loader l = {.build = b, .report = b->report, .doc = &doc};
	document_load(&l);
	yaml_document_delete(&doc);
	return 0;
}

int config_load_text(
	const char *path,
	const char *text,
	size_t size,
	struct config **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
) {
	const char *files[REPORT_FILES_MAX] = {path};
	struct report report = {.files = files, .errors = errors, .max = max};
	struct build b;

	*count = 0;
	int ret = build_init(&b, path, &report);
	if (ret == 0)
		ret = text_load(&b, text, size);
	if (ret == 0 && b.out_of_memory)
		ret = -ENOMEM;
	if (ret == 0 && report.total > 0)
		ret = -EINVAL;
	if (ret == 0)
		*out = build_take(&b);
	report_sort(&report);
	*count = report.count;
	build_fini(&b);
	return ret;
}

int config_load(
	const char *path,
	struct config **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
) {
	size_t size = 0;
	int ret;

	*count = 0;
	char *text = document_slurp(path, &size, &ret);
	if (text == NULL)
		return ret;
	ret = config_load_text(path, text, size, out, errors, max, count);
	explicit_bzero(text, size);
	free(text);
	return ret;
}
