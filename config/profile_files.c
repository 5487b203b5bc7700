// SPDX-License-Identifier: Apache-2.0
#include "config/document.h"
#include "config/profile_files.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static yaml_node_t *patterns_node(const struct loader *l) {
	const yaml_node_t *root = yaml_document_get_root_node(l->doc);

	for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
	     p++) {
		const char *key = node_text(yaml_document_get_node(l->doc, p->key));
		if (key != NULL && strcmp(key, "profile_files") == 0)
			return yaml_document_get_node(l->doc, p->value);
	}
	return NULL;
}

static void
paths_add(struct loader *l, struct profile_paths *out, const glob_t *found, uint32_t line) {
	if (out->count + found->gl_pathc > CONFIG_PROFILES_MAX) {
		report_add(
			l->report, line, "profile_files: more than %d files", CONFIG_PROFILES_MAX
		);
		return;
	}
	char **grown = build_alloc(l->build, (out->count + found->gl_pathc) * sizeof(*grown));
	if (grown == NULL)
		return;
	if (out->count > 0)
		memcpy(grown, out->paths, out->count * sizeof(*grown));
	out->paths = grown;
	for (size_t i = 0; i < found->gl_pathc; i++) {
		char *path = build_text(l->build, found->gl_pathv[i]);
		if (path != NULL)
			out->paths[out->count++] = path;
	}
}

// A directory that is not there holds no profiles; one that cannot be read is a mistake.
static int directory_wrong(const char *, int error) {
	return error != ENOENT && error != ENOTDIR;
}

static void
pattern_expand(struct loader *l, struct profile_paths *out, const char *pattern, uint32_t line) {
	char whole[1280];
	glob_t found = {0};

	if (pattern[0] == '/')
		snprintf(whole, sizeof(whole), "%.255s", pattern);
	else
		snprintf(whole, sizeof(whole), "%s/%.255s", l->build->base_dir, pattern);
	int ret = glob(whole, 0, directory_wrong, &found);
	if (ret == 0)
		paths_add(l, out, &found, line);
	else if (ret == GLOB_NOSPACE)
		l->build->out_of_memory = true;
	else if (ret == GLOB_ABORTED)
		report_add(l->report, line, "profile_files: cannot read '%.100s'", pattern);
	else if (strpbrk(pattern, "*?[") == NULL)
		report_add(l->report, line, "profile_files: there is no '%.100s'", pattern);
	globfree(&found);
}

// Kinds of nodes that the option does not take are field_load()'s business.
void profile_paths_find(struct loader *l, struct profile_paths *out) {
	yaml_node_t *n = patterns_node(l);

	*out = (struct profile_paths) {0};
	if (n == NULL || node_is_null(n))
		return;
	if (node_text(n) != NULL)
		pattern_expand(l, out, node_text(n), node_line(n));
	if (n->type != YAML_SEQUENCE_NODE)
		return;
	yaml_node_item_t *at = n->data.sequence.items.start;
	for (uint32_t i = 0; &at[i] < n->data.sequence.items.top; i++) {
		const yaml_node_t *one = yaml_document_get_node(l->doc, at[i]);
		if (i < CONFIG_PROFILE_FILES_MAX && node_text(one) != NULL)
			pattern_expand(l, out, node_text(one), node_line(one));
	}
}

static void file_load(struct loader *l, const char *path, const struct option *list) {
	yaml_document_t doc;
	struct stat st;
	size_t size = 0;
	int ret = 0;

	// A FIFO would never end.
	bool plain = stat(path, &st) == 0 && S_ISREG(st.st_mode);
	char *text = plain ? document_slurp(path, &size, &ret) : NULL;
	if (!plain) {
		report_add(l->report, 0, "is not a file");
		return;
	}
	if (text == NULL) {
		report_add(l->report, 0, "cannot be read: %s", strerror(-ret));
		return;
	}
	ret = document_parse(l->report, text, size, &doc);
	if (ret == 0) {
		l->doc = &doc;
		element_load(l, list);
		yaml_document_delete(&doc);
	} else if (ret == -ENOMEM) {
		l->build->out_of_memory = true;
	}
	explicit_bzero(text, size);
	free(text);
}

void profile_files_load(struct loader *l, const struct profile_paths *files) {
	const struct option *list = option_find("profiles");
	yaml_document_t *main_doc = l->doc;

	if (l->build->config->profile_count + files->count > list->max) {
		report_add(
			l->report,
			0,
			"profiles: more than %" PRIu64 ", with those of files",
			list->max
		);
		return;
	}
	for (uint32_t i = 0; i < files->count; i++) {
		l->report->reading = i + 1;
		l->report->files[i + 1] = files->paths[i];
		file_load(l, files->paths[i], list);
	}
	l->report->reading = 0;
	l->doc = main_doc;
}
