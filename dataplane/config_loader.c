// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/config_loader.h"

#include <stdio.h>
#include <string.h>

static int begin(void *, const struct loading_file *file, struct loading_answer *answer) {
	struct config_error error;
	struct config *loaded = nullptr;
	uint32_t count = 0;
	int ret = config_load_text(file->path, file->text, file->size, &loaded, &error, 1, &count);

	config_free(loaded);
	if (ret < 0) {
		snprintf(
			answer->text,
			sizeof(answer->text),
			"%s",
			count > 0 ? error.text : strerror(-ret)
		);
		return ret;
	}
	answer->pending = 1;
	snprintf(
		answer->text, sizeof(answer->text), "checked by sluiced; in force after its restart"
	);
	return 1;
}

static int poll(void *, struct loading_answer *) {
	return 0;
}

const struct generation_loader config_loader = {.begin = begin, .poll = poll};
