// SPDX-License-Identifier: Apache-2.0
// Any text either is a set of signatures that keeps the loader's promises, or gives at least one
// mistake with a sentence.
#include "config/signature.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS 8

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void promises_check(const struct signature_set *set) {
	for (uint32_t i = 0; i < set->count; i++) {
		const struct signature *s = &set->signatures[i];
		assert(s->id != 0 && s->name[0] != '\0' && s->expression[0] != '\0');
		assert(strlen(s->expression) <= SIGNATURE_EXPRESSION_MAX);
		assert(s->protocols != 0 && s->scope < SIGNATURE_SCOPE_COUNT);
		assert(s->action < SIGNATURE_ACTION_COUNT && s->severity < SEVERITY_COUNT);
		assert((s->action == SIGNATURE_BAN) == (s->ban_s > 0));
		assert(s->ban_s <= SIGNATURE_BAN_MAX_S && s->line > 0);
		assert(s->vector_count >= 1);
		for (uint32_t k = 0; k < s->vector_count; k++)
			assert(s->vectors[k].len > 0 && s->vectors[k].bytes != NULL);
		for (uint32_t k = 0; k < i; k++)
			assert(set->signatures[k].id != s->id);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	struct config_error errors[ERRORS];
	struct signature_set *set = NULL;
	uint32_t count;

	int ret = signatures_load_text(
		"fuzz.yaml", (const char *)bytes, size, &set, errors, ERRORS, &count
	);
	assert(ret == 0 || ret == -EINVAL);
	assert(count <= ERRORS && (ret == 0) == (count == 0));
	for (uint32_t i = 0; i < count; i++)
		assert(errors[i].text[0] != '\0' && errors[i].file[0] != '\0');
	if (ret == 0)
		promises_check(set);
	signatures_free(set);
	return 0;
}
