// SPDX-License-Identifier: Apache-2.0
// Help, docs/sluicectl.md, man pages and shell completion, all from the command table.
#include "controlplane/cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool first_of_noun(size_t i) {
	for (size_t k = 0; k < i; k++)
		if (strcmp(commands[k].noun, commands[i].noun) == 0)
			return false;
	return true;
}

static void usage_line(FILE *f, const struct command *c) {
	fprintf(f,
		"sluicectl %s%s%s%s%s%s",
		c->noun,
		c->verb != NULL ? " " : "",
		c->verb != NULL ? c->verb : "",
		c->arguments[0] != '\0' ? " " : "",
		c->arguments,
		c->options[0].name != NULL ? " [OPTIONS]" : "");
}

void help_all(void) {
	printf("usage: sluicectl NOUN VERB [ARGUMENTS] [OPTIONS]\n\n");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		if (!first_of_noun(i))
			continue;
		printf("  %-12s", c->noun);
		if (c->verb == NULL) {
			printf("%s\n", c->summary);
			continue;
		}
		for (size_t k = i; k < command_count; k++)
			if (strcmp(commands[k].noun, c->noun) == 0)
				printf("%s ", commands[k].verb);
		putchar('\n');
	}
	printf("\nOptions everywhere:\n");
	for (const struct cli_option *o = global_options; o->name != NULL; o++)
		printf("  --%-20s %s\n", o->name, o->help);
	printf("\nExamples:\n  sluicectl status\n  sluicectl device add pump-17 --profile meter\n"
	       "  sluicectl device --help\n");
}

void help_noun(const char *noun) {
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].noun, noun) == 0) {
			char words[128];
			snprintf(
				words,
				sizeof(words),
				"%s %s %s",
				noun,
				commands[i].verb != NULL ? commands[i].verb : "",
				commands[i].arguments
			);
			printf("  sluicectl %-40s %s\n", words, commands[i].summary);
		}
	printf("\nExamples:\n");
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].noun, noun) == 0 && commands[i].examples[0] != NULL)
			printf("  %s\n", commands[i].examples[0]);
}

static void options_print(FILE *f, const struct cli_option *o) {
	for (; o->name != NULL; o++) {
		char words[64];
		snprintf(
			words,
			sizeof(words),
			"--%s%s%s",
			o->name,
			o->argument != NULL ? " " : "",
			o->argument != NULL ? o->argument : ""
		);
		fprintf(f, "  %-26s %s\n", words, o->help);
	}
}

void help_command(const struct command *c) {
	printf("usage: ");
	usage_line(stdout, c);
	printf("\n\n%s.\n", c->summary);
	if (c->detail != NULL)
		printf("%s\n", c->detail);
	if (c->options[0].name != NULL) {
		printf("\nOptions:\n");
		options_print(stdout, c->options);
	}
	printf("\nExamples:\n");
	for (size_t i = 0; i < EXAMPLES_MAX && c->examples[i] != NULL; i++)
		printf("  %s\n", c->examples[i]);
}

int manual_markdown(void) {
	printf("# sluicectl\n\nMade by `sluicectl manual markdown` from the command table; do not "
	       "edit.\n\nEvery command is one call of the API of `sluice-controld` "
	       "(`controlplane/openapi.yaml`), and `--json` prints what the API said. Colour only "
	       "on "
	       "a terminal (and without `NO_COLOR`); nothing asks when not on a terminal.\n\n");
	printf("## Exit status\n\n| status | meaning |\n|---|---|\n");
	for (int i = 0; i < EXIT_CODE_COUNT; i++)
		printf("| %d | %s |\n", i, exit_code_text((enum exit_code)i));
	printf("\n## Options everywhere\n\n| option | meaning |\n|---|---|\n");
	for (const struct cli_option *o = global_options; o->name != NULL; o++)
		printf("| `--%s%s%s` | %s |\n",
		       o->name,
		       o->argument != NULL ? " " : "",
		       o->argument != NULL ? o->argument : "",
		       o->help);
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		if (first_of_noun(i))
			printf("\n## %s\n", c->noun);
		printf("\n### `");
		usage_line(stdout, c);
		printf("`\n\n%s.%s%s\n",
		       c->summary,
		       c->detail != NULL ? " " : "",
		       c->detail != NULL ? c->detail : "");
		if (c->options[0].name != NULL)
			printf("\n| option | meaning |\n|---|---|\n");
		for (const struct cli_option *o = c->options; o->name != NULL; o++)
			printf("| `--%s%s%s` | %s |\n",
			       o->name,
			       o->argument != NULL ? " " : "",
			       o->argument != NULL ? o->argument : "",
			       o->help);
		printf("\n");
		for (size_t k = 0; k < EXAMPLES_MAX && c->examples[k] != NULL; k++)
			printf("    %s\n", c->examples[k]);
	}
	return EXIT_OK;
}

// Text for roff: backslashes, and dots or quotes that would begin a request.
static void roff(FILE *f, const char *s) {
	if (*s == '.' || *s == '\'')
		fputs("\\&", f);
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			fputs("\\e", f);
		else if (*s == '-')
			fputs("\\-", f);
		else
			fputc(*s, f);
	}
}

static void man_options(FILE *f, const struct cli_option *o) {
	for (; o->name != NULL; o++) {
		fprintf(f, ".TP\n.B \\-\\-");
		roff(f, o->name);
		if (o->argument != NULL)
			fprintf(f, " \\fI%s\\fR", o->argument);
		fputc('\n', f);
		roff(f, o->help);
		fputc('\n', f);
	}
}

static void man_command(FILE *f, const struct command *c) {
	fprintf(f, ".SS ");
	roff(f, c->noun);
	fprintf(f, " %s ", c->verb != NULL ? c->verb : "");
	roff(f, c->arguments);
	fputc('\n', f);
	roff(f, c->summary);
	fprintf(f, ".\n");
	if (c->detail != NULL) {
		roff(f, c->detail);
		fputc('\n', f);
	}
	man_options(f, c->options);
	fprintf(f, ".PP\n.nf\n");
	for (size_t k = 0; k < EXAMPLES_MAX && c->examples[k] != NULL; k++) {
		roff(f, c->examples[k]);
		fputc('\n', f);
	}
	fprintf(f, ".fi\n");
}

static int man_page(const char *directory, const char *noun) {
	char path[600], title[64];

	snprintf(
		title,
		sizeof(title),
		"sluicectl%s%s",
		noun != NULL ? "-" : "",
		noun != NULL ? noun : ""
	);
	snprintf(path, sizeof(path), "%s/%s.1", directory, title);
	FILE *f = fopen(path, "we");
	if (f == NULL) {
		fprintf(stderr, "sluicectl: %s: %s\n", path, strerror(errno));
		return EXIT_FAILED;
	}
	fprintf(f,
		".TH %s 1 \"\" \"Sluice " SLUICE_VERSION
		"\"\n.SH NAME\n%s \\- manage a Sluice appliance\n",
		title,
		title);
	fprintf(f,
		".SH SYNOPSIS\n.B sluicectl\n%s VERB [ARGUMENTS] [OPTIONS]\n.SH COMMANDS\n",
		noun != NULL ? noun : "NOUN");
	for (size_t i = 0; i < command_count; i++)
		if (noun == NULL || strcmp(commands[i].noun, noun) == 0)
			man_command(f, &commands[i]);
	fprintf(f, ".SH OPTIONS EVERYWHERE\n");
	man_options(f, global_options);
	fprintf(f, ".SH EXIT STATUS\n");
	for (int i = 0; i < EXIT_CODE_COUNT; i++) {
		fprintf(f, ".TP\n.B %d\n", i);
		roff(f, exit_code_text((enum exit_code)i));
		fputc('\n', f);
	}
	return fclose(f) == 0 ? EXIT_OK : EXIT_FAILED;
}

int manual_man(const char *directory) {
	int ret = man_page(directory, NULL);

	for (size_t i = 0; i < command_count && ret == EXIT_OK; i++)
		if (first_of_noun(i))
			ret = man_page(directory, commands[i].noun);
	return ret;
}

// --- completion

static void verbs_print(const char *noun) {
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].noun, noun) == 0 && commands[i].verb != NULL)
			printf("%s ", commands[i].verb);
}

static void options_words(const struct command *c) {
	for (const struct cli_option *o = c->options; o->name != NULL; o++)
		printf("--%s ", o->name);
	for (const struct cli_option *o = global_options; o->name != NULL; o++)
		printf("--%s ", o->name);
}

#define NAMES_BY                                                                                   \
	"sluicectl device list --match \"%s*\" --limit 50 --json 2>/dev/null | "                   \
	"sed -n 's/^ *\"name\": \"\\(.*\\)\",$/\\1/p'"

// "device show"|"cert issue"|...: commands whose first argument is a device that there is.
static void device_commands_print(void) {
	const char *between = "";

	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		bool name = strcmp(c->noun, "device") == 0 && strncmp(c->arguments, "NAME", 4) == 0
			&& c->verb != NULL && strcmp(c->verb, "add") != 0;
		if (c->verb == NULL || (!name && strcmp(c->arguments, "DEVICE") != 0))
			continue;
		printf("%s\"%s %s\"", between, c->noun, c->verb);
		between = "|";
	}
}

static void bash_print(void) {
	printf("# bash completion for sluicectl, made by `sluicectl completion bash`\n"
	       "_sluicectl() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\"\"\n"
	       "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\twords=\"");
	for (size_t i = 0; i < command_count; i++)
		if (first_of_noun(i))
			printf("%s ", commands[i].noun);
	printf("\"\n\telif [ \"$COMP_CWORD\" = 2 ] && [ \"${cur#-}\" = \"$cur\" ]; then\n"
	       "\t\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < command_count; i++)
		if (first_of_noun(i) && commands[i].verb != NULL) {
			printf("\t\t%s) words=\"", commands[i].noun);
			verbs_print(commands[i].noun);
			printf("\" ;;\n");
		}
	printf("\t\tesac\n\telse\n\t\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		printf("\t\t\"%s %s\"%s) words=\"",
		       c->noun,
		       c->verb != NULL ? c->verb : "",
		       c->verb == NULL ? "*" : "");
		options_words(c);
		printf("\" ;;\n");
	}
	printf("\t\tesac\n\t\tif [ \"$COMP_CWORD\" = 3 ] && [ \"${cur#-}\" = \"$cur\" ]; then\n"
	       "\t\t\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n\t\t\t");
	device_commands_print();
	printf(")\n\t\t\t\twords=$(" NAMES_BY
	       ") ;;\n\t\t\t*) words= ;;\n\t\t\tesac\n\t\tfi\n\tfi\n",
	       "$cur");
	printf("\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	       "}\n"
	       "complete -o default -F _sluicectl sluicectl\n");
}

static void zsh_print(void) {
	printf("#compdef sluicectl\n# made by `sluicectl completion zsh`\n_sluicectl() {\n"
	       "\tlocal -a choice\n\tif (( CURRENT == 2 )); then\n\t\tchoice=(");
	for (size_t i = 0; i < command_count; i++)
		if (first_of_noun(i))
			printf("%s ", commands[i].noun);
	printf(")\n\telif (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then\n\t\tcase $words[2] "
	       "in\n");
	for (size_t i = 0; i < command_count; i++)
		if (first_of_noun(i) && commands[i].verb != NULL) {
			printf("\t\t%s) choice=(", commands[i].noun);
			verbs_print(commands[i].noun);
			printf(") ;;\n");
		}
	printf("\t\tesac\n\telse\n\t\tcase \"$words[2] $words[3]\" in\n");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		printf("\t\t\"%s %s\"%s) choice=(",
		       c->noun,
		       c->verb != NULL ? c->verb : "",
		       c->verb == NULL ? "*" : "");
		options_words(c);
		printf(") ;;\n");
	}
	printf("\t\tesac\n\t\tif (( CURRENT == 4 )) && [[ $words[4] != -* ]]; then\n"
	       "\t\t\tcase \"$words[2] $words[3]\" in\n\t\t\t");
	device_commands_print();
	printf(")\n\t\t\t\tchoice=( ${(f)\"$(" NAMES_BY ")\"} ) ;;\n\t\t\t*) choice=() ;;\n"
	       "\t\t\tesac\n\t\tfi\n\tfi\n\tcompadd -a choice || _files\n}\n_sluicectl \"$@\"\n",
	       "$words[4]");
}

int completion(const char *shell) {
	if (strcmp(shell, "bash") == 0)
		bash_print();
	else
		zsh_print();
	return EXIT_OK;
}
