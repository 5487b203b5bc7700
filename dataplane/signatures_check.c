// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/signature.h"
#include "dataplane/daemon.h"
#include "dataplane/signatures.h"
#include "dataplane/signatures_check.h"
#include "pipelines/match_compile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ERRORS_MAX 64

static void mistakes_print(const struct config_error *errors, uint32_t count) {
	for (uint32_t i = 0; i < count; i++)
		fprintf(stderr,
			"%s:%" PRIu32 ": %s\n",
			errors[i].file,
			errors[i].line,
			errors[i].text);
}

static int set_check(const char *path) {
	static struct config_error errors[ERRORS_MAX];
	const struct match_options o = {.workers = 1, .vectors = true};
	struct signature_set *source = nullptr;
	struct match_set *m = nullptr;
	uint32_t count = 0;

	int ret = signatures_load(path, &source, errors, ERRORS_MAX, &count);
	if (ret == 0)
		ret = match_compile(source, &o, &m, errors, ERRORS_MAX, &count);
	if (ret < 0) {
		mistakes_print(errors, count);
		if (count == 0)
			fprintf(stderr, "%s: %s\n", path, strerror(-ret));
		signatures_free(source);
		return EXIT_STATUS_CONFIG;
	}
	const struct match_info *i = match_set_info(m);
	printf("{\"good\":true,\"signatures\":%" PRIu32 ",\"vectors\":%" PRIu32
	       ",\"compile_ms\":%" PRIu32 ",\"database_bytes\":%" PRIu64
	       ",\"scratch_bytes\":%" PRIu64 "}\n",
	       i->signatures,
	       i->vectors,
	       i->compile_ms,
	       i->database_bytes,
	       i->scratch_bytes);
	match_set_free(m);
	return EXIT_STATUS_OK;
}

int signatures_check(const char *config_path, const char *path) {
	if (path != nullptr)
		return set_check(path);
	struct config *c = daemon_load_config(config_path);
	if (c == nullptr)
		return EXIT_STATUS_CONFIG;
	int status = EXIT_STATUS_CONFIG;
	if (c->match.signatures[0] != '\0')
		status = set_check(c->match.signatures);
	else
		fprintf(stderr, "%s: match.signatures names none\n", config_path);
	config_free(c);
	return status;
}

void signatures_print(const struct signatures *s, unsigned long long frames) {
	struct signature_figures f;
	const char *comma = "";

	printf("{\"frames\":%llu,\"hits\":[", frames);
	for (uint32_t i = 0; s != nullptr && signatures_figures(s, i, &f); i++) {
		if (f.hits == 0)
			continue;
		printf("%s{\"id\":%" PRIu32 ",\"name\":\"%s\",\"action\":\"%s\",\"hits\":%" PRIu64
		       ",\"acted\":%" PRIu64 ",\"unproven\":%" PRIu64 "}",
		       comma,
		       f.id,
		       f.name,
		       signature_action_label(f.action),
		       f.hits,
		       f.acted,
		       f.unproven);
		comma = ",";
	}
	puts("]}");
}
