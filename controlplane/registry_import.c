// SPDX-License-Identifier: Apache-2.0
// Devices from CSV (RFC 4180: quotes, doubled quotes; no line breaks inside a field).
#include "controlplane/ca/digest.h"
#include "controlplane/registry_state.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS(X)                                                                                 \
	X(COLUMN_NAME, "name")                                                                     \
	X(COLUMN_PROFILE, "profile")                                                               \
	X(COLUMN_STATE, "state")                                                                   \
	X(COLUMN_RECORDS, "records_per_s")                                                         \
	X(COLUMN_BYTES, "bytes_per_s")                                                             \
	X(COLUMN_CONNECTIONS, "connections")                                                       \
	X(COLUMN_LABELS, "labels")                                                                 \
	X(COLUMN_CLAIMS, "claims")

enum column {
#define X(id, label) id,
	COLUMNS(X)
#undef X
		COLUMN_COUNT
};

#define FIELD_MAX 8192

struct csv {
	const char *at;
	const char *end;
	uint64_t line;
	int order[COLUMN_COUNT]; // field number -> column
	int fields;
	char text[COLUMN_COUNT][FIELD_MAX];
};

// A fleet has few sets: what a row's labels came to is kept by their text.
#define KNOWN_LABELS 256
struct known_labels {
	char text[120]; // as it stands in the row; empty: none yet
	int64_t set;
};

struct importer {
	struct registry *r;
	struct csv csv;
	const struct import_order *order;
	int64_t version;
	int64_t now;
	struct import_result *out;
	struct known_labels *known; // KNOWN_LABELS
};

// One field into out[0..FIELD_MAX). True if the line goes on. *bad is set if it does not fit or
// its quotes do not close.
static bool field_read(struct csv *c, char *out, bool *bad) {
	bool quoted = c->at < c->end && *c->at == '"';
	size_t n = 0;

	if (quoted)
		c->at++;
	while (c->at < c->end) {
		char ch = *c->at;
		if (quoted && ch == '"') {
			if (c->at + 1 >= c->end || c->at[1] != '"') {
				quoted = false;
				c->at++;
				continue;
			}
			c->at++;
		} else if (ch == '\n' || (!quoted && ch == ',')) {
			break;
		} else if (ch == '\r' && c->at + 1 < c->end && c->at[1] == '\n') {
			c->at++;
			continue;
		}
		if (n + 1 < FIELD_MAX && ch != '\0')
			out[n++] = ch;
		else
			*bad = true;
		c->at++;
	}
	out[n] = '\0';
	*bad |= quoted;
	if (c->at < c->end && *c->at == ',') {
		c->at++;
		return true;
	}
	if (c->at < c->end)
		c->at++; // the line feed
	c->line++;
	return false;
}

static int header_read(struct registry *r, struct csv *c) {
	static const char *const names[COLUMN_COUNT] = {
#define X(id, label) [id] = label,
		COLUMNS(X)
#undef X
	};
	bool seen[COLUMN_COUNT] = {0}, bad = false, more = true;
	char text[FIELD_MAX];

	while (more) {
		more = field_read(c, text, &bad);
		int column = 0;
		while (column < COLUMN_COUNT && strcmp(names[column], text) != 0)
			column++;
		if (bad || column == COLUMN_COUNT || seen[column]) {
			snprintf(
				r->sql.why,
				sizeof(r->sql.why),
				"column '%.60s' is %s; columns are name, profile, state, "
				"records_per_s, bytes_per_s, connections, labels, claims",
				text,
				column < COLUMN_COUNT ? "given twice" : "unknown"
			);
			return -EINVAL;
		}
		seen[column] = true;
		c->order[c->fields++] = column;
	}
	if (!seen[COLUMN_NAME]) {
		snprintf(
			r->sql.why, sizeof(r->sql.why), "the first line must name a column 'name'"
		);
		return -EINVAL;
	}
	return 0;
}

// False: the row has too many fields or one that is broken.
static bool row_read(struct csv *c, bool *blank) {
	char spill[FIELD_MAX];
	bool bad = false, more = true;
	int n = 0;

	for (int i = 0; i < COLUMN_COUNT; i++)
		c->text[i][0] = '\0';
	while (more) {
		more = field_read(c, n < c->fields ? c->text[c->order[n]] : spill, &bad);
		n++;
	}
	*blank = n == 1 && c->text[c->order[0]][0] == '\0';
	return !bad && n <= c->fields;
}

static bool number_read(const char *text, int64_t *out) {
	char *end;

	if (text[0] == '\0')
		return true;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (*end != '\0' || errno != 0 || v < 0 || v > UINT32_MAX)
		return false;
	*out = v;
	return true;
}

static void json_text(FILE *f, const char *s, size_t n) {
	fputc('"', f);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"' || s[i] == '\\')
			fprintf(f, "\\%c", s[i]);
		else if ((unsigned char)s[i] < 0x20)
			fprintf(f, "\\u%04x", (unsigned)s[i]);
		else
			fputc(s[i], f);
	}
	fputc('"', f);
}

// "site=a;floor=2" to a JSON object. False if a part has no '='.
static bool labels_read(const char *text, char *out, size_t room) {
	FILE *f = fmemopen(out, room, "w");
	bool ok = f != NULL, first = true;

	if (f == NULL)
		return false;
	fputc('{', f);
	while (ok && *text != '\0') {
		size_t n = strcspn(text, ";"), key = strcspn(text, "=");
		ok = key > 0 && key < n;
		if (!ok)
			break;
		if (!first)
			fputc(',', f);
		first = false;
		json_text(f, text, key);
		fputc(':', f);
		json_text(f, text + key + 1, n - key - 1);
		text += n + (text[n] == ';');
	}
	fputc('}', f);
	return fclose(f) == 0 && ok;
}

// Labels and claims may also come as JSON, which is how `device export` writes what the short
// form cannot carry. Checked by SQLite, which stores it.
static bool claims_good(struct importer *im, const char *text) {
	int64_t good = 0;
	int ret = sql_number(
		&im->r->sql,
		&good,
		"SELECT CASE WHEN NOT json_valid(?1) OR json_type(?1)<>'object' THEN 0 "
		"ELSE NOT EXISTS(SELECT 1 FROM json_each(?1) k WHERE k.key NOT IN "
		"('id','topic','path') OR k.type<>'array' OR EXISTS(SELECT 1 FROM "
		"json_each(k.value) v WHERE v.type<>'text' OR length(v.value) NOT BETWEEN "
		"1 AND ?2)) END",
		"ti",
		text,
		(int64_t)CHANNEL_PATTERN_MAX
	);

	return ret == 0 && good != 0;
}

// Its place in what is kept. A row that changes a device may end a set with
// it: then only the last one that was asked for is sure to be there.
static struct known_labels *known_place(struct importer *im, const char *text) {
	uint32_t h = 2166136261u;

	if (im->order->update)
		return im->known;
	for (const char *c = text; *c != '\0'; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	return &im->known[(h ^ h >> 16) % KNOWN_LABELS];
}

static int labels_number(struct importer *im, const char *text, int64_t *set) {
	static char labels[2 * FIELD_MAX]; // one thread

	if (text[0] == '{')
		snprintf(labels, sizeof(labels), "%s", text);
	else if (!labels_read(text, labels, sizeof(labels)))
		labels[0] = '\0'; // no JSON: refused with the sentence for that
	return registry_label_set(im->r, labels, set);
}

// The number of the row's labels, -1 if it says nothing of them. NULL, or why they are refused.
static const char *labels_store(struct importer *im, int64_t *set, int *fatal) {
	const char *text = im->csv.text[COLUMN_LABELS];

	*set = -1;
	if (text[0] == '\0')
		return NULL;
	struct known_labels *k = known_place(im, text);
	if (strcmp(k->text, text) == 0) {
		*set = k->set;
		return NULL;
	}
	int ret = labels_number(im, text, set);
	if (ret == -EINVAL)
		return im->r->sql.why;
	if (ret < 0) {
		*fatal = ret;
		return "labels";
	}
	k->text[0] = '\0';
	if (strlen(text) < sizeof(k->text))
		memcpy(k->text, text, strlen(text) + 1);
	k->set = *set;
	return NULL;
}

// NULL if the row is in, else why not. *fatal: the database refuses.
static const char *row_store(struct importer *im, int *fatal) {
	int64_t quota[3] = {-1, -1, -1};
	struct csv *c = &im->csv;
	const char *claims = c->text[COLUMN_CLAIMS];
	int state = DEVICE_ACTIVE;
	int64_t set = 0, label_set;

	if (!device_name_valid(c->text[COLUMN_NAME]))
		return "not a device name";
	if (c->text[COLUMN_STATE][0] != '\0')
		state = device_state_find(c->text[COLUMN_STATE]);
	if (state < 0)
		return "not a state (pending, active, suspended, revoked)";
	for (int i = 0; i < 3; i++)
		if (!number_read(c->text[COLUMN_RECORDS + i], &quota[i]))
			return "a quota is a whole number";
	if (claims[0] != '\0' && !claims_good(im, claims))
		return "claims are a JSON object of lists id, topic, path";
	if (claims[0] != '\0' && strcmp(claims, "{}") != 0) {
		*fatal = registry_claim_set(im->r, claims, &set);
		if (*fatal < 0)
			return "claims";
	}
	const char *bad = labels_store(im, &label_set, fatal);
	if (bad != NULL)
		return bad;
	int ret = sql_run(
		&im->r->sql,
		"INSERT INTO "
		"devices(name,profile,state,records_per_s,bytes_per_s,connections,label_set,"
		"created_s,version,claims) VALUES(?1,nullif(?2,''),?3,max(?4,0),max(?5,0),"
		"max(?6,0),nullif(max(?7,0),0),?8,?9,nullif(?11,0)) ON CONFLICT(name) DO UPDATE "
		"SET "
		"profile=coalesce(excluded.profile,profile),state=excluded.state,reason=NULL,"
		"records_per_s=iif(?4<0,records_per_s,?4),bytes_per_s=iif(?5<0,bytes_per_s,?5),"
		"connections=iif(?6<0,connections,?6),"
		"label_set=iif(?7<0,label_set,nullif(?7,0)),"
		"claims=coalesce(excluded.claims,claims),version=?9 WHERE ?10 AND state<>3",
		"ttiiiiiiiii",
		c->text[COLUMN_NAME],
		c->text[COLUMN_PROFILE],
		(int64_t)state,
		quota[0],
		quota[1],
		quota[2],
		label_set,
		im->now,
		im->version,
		(int64_t)im->order->update,
		set
	);
	if (ret < 0)
		*fatal = ret;
	return ret > 0 ? NULL : "known already (--update changes known devices), or revoked";
}

static bool tombstoned(struct importer *im, int64_t tombs) {
	char hex[DIGEST_TEXT];
	uint8_t digest[DIGEST_BYTES];
	int64_t one;
	const char *name = im->csv.text[COLUMN_NAME];

	if (tombs == 0)
		return false;
	digest_sha256(name, strlen(name), digest);
	return sql_number(
		       &im->r->sql,
		       &one,
		       "SELECT 1 FROM tombstones WHERE name_sha256=?",
		       "t",
		       digest_hex(digest, sizeof(digest), hex)
	       ) == 0;
}

static int rows_store(struct importer *im) {
	struct import_result *out = im->out;
	int64_t tombs = 0, before = 0, after = 0;
	int fatal = 0;

	(void)sql_number(&im->r->sql, &tombs, "SELECT count(*) FROM tombstones", "");
	(void)sql_number(&im->r->sql, &before, "SELECT coalesce(max(id),0) FROM devices", "");
	while (im->csv.at < im->csv.end && fatal == 0) {
		bool blank;
		uint64_t line = im->csv.line + 1;
		const char *bad = row_read(&im->csv, &blank) ? NULL : "too many or broken fields";
		if (blank)
			continue;
		out->rows++;
		if (bad == NULL && tombstoned(im, tombs))
			bad = "removed for good before (add it by hand with --readmit)";
		if (bad == NULL)
			bad = row_store(im, &fatal);
		if (bad == NULL) {
			out->added++;
			continue;
		}
		out->refused++;
		if (im->order->refused != NULL)
			im->order->refused(im->order->owner, line, im->csv.text[COLUMN_NAME], bad);
	}
	(void)sql_number(&im->r->sql, &after, "SELECT coalesce(max(id),0) FROM devices", "");
	uint64_t inserted = (uint64_t)(after - before);
	if (inserted < out->added) {
		out->changed = out->added - inserted;
		out->added = inserted;
	}
	return fatal;
}

int registry_import(
	struct registry *r,
	const struct author *by,
	const struct import_order *o,
	struct import_result *out
) {
	static struct known_labels known[KNOWN_LABELS]; // one thread
	struct importer im = {
		.r = r,
		.known = known,
		.csv = {.at = o->csv, .end = o->csv + o->len},
		.order = o,
		.now = registry_now(),
		.out = out,
	};
	uint8_t digest[DIGEST_BYTES];
	char hex[DIGEST_TEXT], after[256];

	memset(known, 0, sizeof(known));
	*out = (struct import_result) {0};
	int ret = header_read(r, &im.csv);
	if (ret == 0)
		ret = sql_transaction(&r->sql);
	if (ret < 0)
		return ret;
	ret = registry_bump(r, &im.version);
	if (ret == 0)
		ret = rows_store(&im);
	// A row that was refused may have been the only one with its labels.
	if (ret == 0 && out->refused > 0)
		ret =
			sql_run(&r->sql,
				"DELETE FROM label_sets WHERE NOT EXISTS"
				"(SELECT 1 FROM devices WHERE label_set=label_sets.id)",
				"");
	digest_sha256(o->csv, o->len, digest);
	snprintf(
		after,
		sizeof(after),
		"{\"rows\":%" PRIu64 ",\"added\":%" PRIu64 ",\"changed\":%" PRIu64
		",\"refused\":%" PRIu64 ",\"sha256\":\"%s\"}",
		out->rows,
		out->added,
		out->changed,
		out->refused,
		digest_hex(digest, sizeof(digest), hex)
	);
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "device.import", "csv", NULL, after);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}
