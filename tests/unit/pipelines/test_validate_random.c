// SPDX-License-Identifier: Apache-2.0
// validate against a naive oracle: random profiles, random devices that send random records, whole
// through a pipeline; what reaches the three topics must be what a plain reading of
// docs/profiles.md makes of them.
//   test_validate_random [SEED [EPISODES]]
// z-scores are in test_field_alert.c.
#include "tests/unit/pipelines/field_oracle.h"
#include "tests/unit/pipelines/remember_rig.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include <cmocka.h>

#define DEVICES 4
#define FIELDS 5
#define MESSAGES 400
#define RECORDS 3 // of a message, at most
#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define DAY_S INT64_C(86400)

static uint64_t seed = 1, episodes = 250;
static uint64_t state;
static struct rig rig;
static uint64_t counted[FINDING_COUNT], outcomes[3], alerts;

static uint64_t any(void) {
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717u;
}

static uint32_t below(uint32_t n) {
	return (uint32_t)(any() >> 33) % n;
}

// --- texts that are compared, one line per thing that reached a topic

struct text {
	char at[16384];
	size_t len;
};

static struct text got[3], want[3]; // telemetry, dead letters, alerts

[[gnu::format(printf, 2, 3)]] static void say(struct text *t, const char *format, ...) {
	va_list ap;

	va_start(ap, format);
	t->len += (size_t)vsnprintf(t->at + t->len, sizeof(t->at) - t->len, format, ap);
	va_end(ap);
	assert_true(t->len < sizeof(t->at));
}

// --- what is sent

enum class { C_NULL, C_BOOL, C_NUMBER, C_TEXT, C_NO_NUMBER, C_ABSENT };

struct sent_field {
	enum class class;
	double number;
	unsigned text;
	const char *unit; // NULL: none
};

struct sent_record {
	bool has_time, has_seq;
	int64_t time_ns;
	uint64_t seq;
	struct sent_field fields[FIELDS];
};

struct sent {
	unsigned device;
	bool senml;
	unsigned count;
	struct sent_record records[RECORDS];
};

static const char *const texts[] = {"on", "off", "nano"};
static const char *const no_numbers[] = {"NaN", "-inf", "+Infinity"};
static const char *const units[] = {"Cel", "%RH"};
static char field_names[FIELDS][4];

// --- the oracle

struct device {
	bool has_time, has_arrival, has_seq;
	int64_t newest_ns;
	uint64_t seq;
	struct field_oracle *fields; // FIELDS of them
};

static struct device devices[DEVICES];

struct judged {
	struct text findings;
	unsigned count; // of findings named
	unsigned bits;
	const char *quarantine; // NULL: it is delivered
	bool live;
};

static struct judged judged[RECORDS];
static const char *refused; // by this finding; NULL: it is not

// False: the message ends here.
static bool found(struct judged *j, enum finding f, const char *field, uint64_t detail) {
	enum finding_action action = rig.profile.on[f];

	if (action == FINDING_IGNORE)
		return true;
	j->bits |= 1u << f;
	if (j->count < 8) {
		j->count++;
		say(&j->findings, "%s:%s:%" PRIu64 ",", finding_label(f), field, detail);
	}
	if (action == FINDING_REFUSE && !rig.profile.partial) {
		refused = finding_label(f);
		return false;
	}
	if (action != FINDING_FLAG && j->quarantine == NULL)
		j->quarantine = finding_label(f);
	return true;
}

static int itself(const struct profile_field *f, const struct sent_field *x) {
	bool number = f->type == FIELD_NUMBER || f->type == FIELD_INTEGER;

	if (x->class == C_NULL)
		return f->nullable ? -1 : FINDING_NULL;
	if (number && x->class == C_NO_NUMBER)
		return FINDING_NOT_FINITE;
	if (number && x->class != C_NUMBER)
		return FINDING_TYPE;
	if (f->type == FIELD_INTEGER && x->number != rint(x->number))
		return FINDING_TYPE;
	if (f->type == FIELD_BOOLEAN && x->class != C_BOOL)
		return FINDING_TYPE;
	if (f->type == FIELD_TEXT && x->class != C_TEXT && x->class != C_NO_NUMBER)
		return FINDING_TYPE;
	if (f->type == FIELD_BYTES)
		return FINDING_TYPE; // neither format here has them
	if (f->unit.len > 0 && x->unit != NULL
	    && strncmp((const char *)f->unit.p, x->unit, f->unit.len) != 0)
		return FINDING_UNIT;
	if (x->class == C_NUMBER
	    && ((f->has_min && x->number < f->min) || (f->has_max && x->number > f->max)))
		return FINDING_RANGE;
	return -1;
}

static bool alone(struct judged *j, const struct sent_record *r) {
	const struct profile *p = &rig.profile;
	int64_t age = rig.wall_ns - r->time_ns;
	bool old = r->has_time && p->past_max_s > 0 && age > p->past_max_s * SECOND;
	bool early = r->has_time && p->future_max_s > 0 && -age > p->future_max_s * SECOND;
	bool late = r->has_time && p->late_after_s > 0 && age > p->late_after_s * SECOND;

	j->live = !old && !early && !late;
	if ((old && !found(j, FINDING_TIME_PAST, "", 0))
	    || (early && !found(j, FINDING_TIME_FUTURE, "", 0))
	    || (late && !found(j, FINDING_LATE, "", 0)))
		return false;
	for (unsigned i = 0; i < p->field_count; i++) {
		if (r->fields[i].class == C_ABSENT)
			continue;
		int what = itself(&rig.fields[i], &r->fields[i]);
		if (what >= 0 && !found(j, (enum finding)what, field_names[i], 0))
			return false;
	}
	for (unsigned i = 0; i < p->field_count; i++)
		if (rig.fields[i].required && r->fields[i].class == C_ABSENT
		    && !found(j, FINDING_MISSING, field_names[i], 0))
			return false;
	return true;
}

static void forget(struct device *d) {
	for (unsigned i = 0; i < FIELDS; i++)
		field_oracle_reset(&d->fields[i]);
}

// Is it in order; if so the device's time moves on.
static bool moves_on(struct device *d, const struct sent_record *r) {
	int64_t at = r->has_time ? r->time_ns : rig.wall_ns;

	if (!r->has_time && d->has_time)
		return true;
	if ((r->has_time ? d->has_time : d->has_arrival) && at < d->newest_ns)
		return false;
	if (r->has_time && !d->has_time && d->has_arrival)
		for (unsigned i = 0; i < FIELDS; i++)
			field_oracle_anew(&d->fields[i]); // another clock
	d->newest_ns = at;
	*(r->has_time ? &d->has_time : &d->has_arrival) = true;
	return true;
}

static const char *kind_label(int kind) {
	return kind == 'a' ? "above" : "below";
}

static bool past(struct judged *j, unsigned device, const struct sent_record *r) {
	struct device *d = &devices[device];

	for (unsigned i = 0; i < rig.profile.field_count; i++) {
		const struct sent_field *x = &r->fields[i];
		struct field_oracle *o = &d->fields[i];
		if (x->class == C_ABSENT || x->class == C_NULL || itself(&rig.fields[i], x) >= 0)
			continue;
		struct oracle_sample s = {
			.at_ms = (r->has_time		? r->time_ns
					  : d->has_time ? d->newest_ns
							: rig.wall_ns)
				/ MS,
			.kind = x->class == C_NUMBER || x->class == C_BOOL ? ORACLE_NUMBER
									   : ORACLE_TEXT,
			.number = x->number,
			.text = x->text + (x->class == C_NO_NUMBER ? 100 : 0),
		};
		struct oracle_says says = field_oracle_sample(o, &rig.fields[i], s, 0);
		if (says.cleared != 0)
			say(&want[2],
			    "clear %s %s d%u\n",
			    kind_label(says.cleared),
			    field_names[i],
			    device);
		if (says.raised != 0)
			say(&want[2],
			    "raise %s %s d%u\n",
			    kind_label(says.raised),
			    field_names[i],
			    device);
		if ((says.rate && !found(j, FINDING_RATE, field_names[i], 0))
		    || (says.stuck && !found(j, FINDING_STUCK, field_names[i], 0)))
			return false;
	}
	return true;
}

static bool with_device(struct judged *j, unsigned device, const struct sent_record *r) {
	struct device *d = &devices[device];
	bool back = false;

	if (!j->live)
		return true;
	if (r->has_seq) {
		uint64_t missing = d->has_seq && r->seq > d->seq ? r->seq - d->seq - 1 : 0;
		back = d->has_seq && r->seq < d->seq && d->seq - r->seq <= 1024;
		if (!back)
			d->seq = r->seq;
		d->has_seq = true;
		if (missing > 0
		    && !found(j, FINDING_GAP, "", missing < UINT32_MAX ? missing : UINT32_MAX))
			return false;
	}
	bool in_order = moves_on(d, r);
	if (!r->has_time && back)
		in_order = false;
	if (!in_order && (r->has_time || back) && !found(j, FINDING_ORDER, "", 0))
		return false;
	return !in_order || past(j, device, r);
}

static void judge(const struct sent *s) {
	refused = NULL;
	for (unsigned i = 0; i < RECORDS; i++) {
		judged[i].findings.len = 0;
		judged[i].findings.at[0] = 0;
		judged[i].count = judged[i].bits = 0;
		judged[i].quarantine = NULL;
	}
	for (unsigned i = 0; i < s->count && refused == NULL; i++)
		alone(&judged[i], &s->records[i]);
	for (unsigned i = 0; i < s->count && refused == NULL; i++)
		with_device(&judged[i], s->device, &s->records[i]);
	if (refused != NULL) {
		say(&want[1], "validation %s d%u\n", refused, s->device);
		outcomes[2]++;
		return;
	}
	for (unsigned i = 0; i < s->count; i++) {
		const struct judged *j = &judged[i];
		for (enum finding f = 0; f < FINDING_COUNT; f++)
			counted[f] += j->bits >> f & 1;
		if (j->quarantine != NULL)
			say(&want[1],
			    "quarantined %s d%u %s\n",
			    j->quarantine,
			    s->device,
			    j->findings.at);
		else
			say(&want[0], "d%u %s\n", s->device, j->findings.at);
		outcomes[j->quarantine != NULL]++;
	}
}

// --- what came

static const char *text_of(yyjson_val *root, const char *key) {
	const char *s = yyjson_get_str(yyjson_obj_get(root, key));

	return s != NULL ? s : "";
}

static void findings_of(yyjson_val *root, struct text *t) {
	size_t i, n;
	yyjson_val *f;

	yyjson_arr_foreach(yyjson_obj_get(root, "findings"), i, n, f)
		say(t,
		    "%s:%s:%" PRIu64 ",",
		    text_of(f, "finding"),
		    text_of(f, "field"),
		    yyjson_get_uint(yyjson_obj_get(f, "detail")));
	say(t, "\n");
}

static void look(struct rig *, uint16_t, const struct batch *b, const struct batch_entry *e) {
	yyjson_doc *doc = yyjson_read((const char *)b->buf + e->offset, e->len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);

	assert_non_null(doc);
	switch (e->kind) {
	case ENTRY_RECORD:
		say(&got[0], "%s ", text_of(root, "device"));
		findings_of(root, &got[0]);
		break;
	case ENTRY_ALERT:
		say(&got[2],
		    "%s %s %s %s\n",
		    text_of(root, "alert"),
		    text_of(root, "kind"),
		    text_of(root, "field"),
		    text_of(root, "device"));
		alerts++;
		break;
	default:
		say(&got[1],
		    "%s %s %s",
		    text_of(root, "reason"),
		    text_of(root, "detail"),
		    text_of(root, "device"));
		if (e->kind == ENTRY_QUARANTINED) {
			say(&got[1], " ");
			findings_of(root, &got[1]);
		} else {
			say(&got[1], "\n");
		}
	}
	yyjson_doc_free(doc);
}

// --- what devices do

static double round3(double x) {
	return rint(x * 1000) / 1000;
}

static struct sent_field random_value(unsigned i, bool senml) {
	static double walk[FIELDS];
	struct sent_field x = {.class = C_NUMBER};
	uint32_t what = below(100);

	if (senml && below(2))
		x.unit = units[below(2)];
	if (what < 8)
		x.class = senml ? C_BOOL : C_NULL;
	else if (what < 14)
		x.class = C_BOOL;
	else if (what < 22)
		x.class = C_TEXT;
	else if (what < 27)
		x.class = C_NO_NUMBER;
	else if (what < 37)
		x.class = C_ABSENT;
	if (x.class == C_BOOL)
		x.number = below(2);
	if (x.class == C_TEXT || x.class == C_NO_NUMBER)
		x.text = below(3);
	if (x.class == C_NUMBER) {
		if (what < 60)
			walk[i] += (double)below(9) - 4;
		else if (what < 65)
			walk[i] = (double)below(120) - 40;
		if (what > 97)
			walk[i] = below(2) ? -40 : 25; // a bound itself
		x.number = round3(walk[i] + (below(3) == 0 ? below(1000) / 1000.0 : 0));
	}
	return x;
}

static int64_t random_time(unsigned device) {
	static const int64_t ages_s[] = {0, 3600, 30 * DAY_S, -60};
	const struct device *d = &devices[device];
	uint32_t what = below(100);
	int64_t now = rig.wall_ns;

	if (what < 50)
		return now - below(5000) * MS;
	if (what < 60 && d->has_time)
		return d->newest_ns;
	if (what < 70) // a limit, or a millisecond beside it
		return now - ages_s[below(4)] * SECOND + ((int64_t)below(3) - 1) * MS;
	if (what < 80)
		return now - below(7200) * SECOND;
	if (what < 88)
		return now - below(40) * DAY_S * SECOND;
	if (what < 94)
		return now + below(120000) * MS;
	if (d->has_time)
		return d->newest_ns + ((int64_t)below(4001) - 2000) * MS;
	return now;
}

static uint64_t random_seq(unsigned device) {
	const struct device *d = &devices[device];
	uint32_t what = below(100);

	if (what < 70)
		return d->seq + 1;
	if (what < 80)
		return d->seq + below(5);
	if (what < 85)
		return d->seq - (d->seq > 10 ? below(10) : 0);
	if (what < 90)
		return d->seq > 1024 ? d->seq - 1023 - below(3) : 0;
	if (what < 95)
		return below(3);
	return what < 98 ? d->seq + below(100000) : (uint64_t)any() >> 2;
}

static void random_message(struct sent *s) {
	bool timeless = below(4) == 0, numbered = below(2);

	s->device = below(DEVICES);
	s->senml = below(4) == 0;
	s->count = s->senml ? 1 : 1 + below(RECORDS);
	for (unsigned i = 0; i < s->count; i++) {
		struct sent_record *r = &s->records[i];
		r->has_time = !timeless && below(10) != 0;
		r->time_ns = random_time(s->device) / MS * MS;
		if (s->senml)
			r->time_ns = r->time_ns / SECOND * SECOND;
		r->has_seq = !s->senml && numbered && below(10) != 0;
		r->seq = random_seq(s->device);
		for (unsigned f = 0; f < FIELDS; f++)
			r->fields[f] = random_value(f, s->senml);
	}
}

static void write_value(struct text *t, const struct sent_field *x, const char *const keys[3]) {
	switch (x->class) {
	case C_NULL:
		say(t, "null");
		break;
	case C_BOOL:
		say(t, "%s%s", keys[1], x->number != 0 ? "true" : "false");
		break;
	case C_TEXT:
		say(t, "%s\"%s\"", keys[2], texts[x->text]);
		break;
	case C_NO_NUMBER:
		say(t, "%s\"%s\"", keys[2], no_numbers[x->text]);
		break;
	default: // an integer may come with a point
		say(t,
		    x->number == rint(x->number) && below(3) == 0 ? "%s%.1f" : "%s%.15g",
		    keys[0],
		    x->number);
	}
}

static void write_json(struct text *t, const struct sent *s) {
	static const char *const none[3] = {"", "", ""};

	say(t, "[");
	for (unsigned i = 0; i < s->count; i++) {
		const struct sent_record *r = &s->records[i];
		say(t, "%s{\"dev\":\"d%u\",\"other\":1", i > 0 ? "," : "", s->device);
		if (r->has_time)
			say(t, ",\"ts\":%" PRId64, r->time_ns / MS);
		if (r->has_seq)
			say(t, ",\"seq\":%" PRIu64, r->seq);
		for (unsigned f = 0; f < FIELDS; f++) {
			if (r->fields[f].class == C_ABSENT)
				continue;
			say(t, ",\"%s\":", field_names[f]);
			write_value(t, &r->fields[f], none);
		}
		say(t, "}");
	}
	say(t, "]");
}

static void write_senml(struct text *t, const struct sent *s) {
	static const char *const keys[3] = {"\"v\":", "\"vb\":", "\"vs\":"};
	const struct sent_record *r = &s->records[0];

	say(t, "[{\"bn\":\"d%u/\"", s->device);
	if (r->has_time)
		say(t, ",\"bt\":%" PRId64, r->time_ns / SECOND);
	say(t, ",\"n\":\"other\",\"v\":1}");
	for (unsigned f = 0; f < FIELDS; f++) {
		const struct sent_field *x = &r->fields[f];
		if (x->class == C_ABSENT)
			continue;
		say(t, ",{\"n\":\"%s\",", field_names[f]);
		if (x->unit != NULL)
			say(t, "\"u\":\"%s\",", x->unit);
		write_value(t, x, keys);
		say(t, "}");
	}
	say(t, "]");
}

// --- profiles

static void random_profile(void) {
	static const enum field_type types[] = {
		FIELD_ANY,
		FIELD_NUMBER,
		FIELD_NUMBER,
		FIELD_INTEGER,
		FIELD_BOOLEAN,
		FIELD_TEXT,
		FIELD_BYTES
	};
	static const uint32_t fors[] = {0, 0, 1500, 60000};
	struct profile *p = &rig.profile;

	p->field_count = 1 + below(FIELDS);
	for (unsigned i = 0; i < p->field_count; i++) {
		struct profile_field *f = &rig.fields[i];
		bool numeric;
		*f = (struct profile_field) {
			.name = view_of(field_names[i], (uint32_t)strlen(field_names[i])),
			.type = types[below(7)],
			.required = below(3) == 0,
			.nullable = below(3) == 0,
			.stuck_after_s = below(2) ? 1 + below(30) : 0,
		};
		if (below(2))
			f->unit = view_of(units[i % 2], (uint32_t)strlen(units[i % 2]));
		numeric = f->type <= FIELD_INTEGER;
		if (!numeric)
			continue;
		f->has_min = below(2);
		f->min = -40;
		f->has_max = below(2);
		f->max = 25;
		f->rate_max = below(2) ? 0.5 + below(4) : 0;
		f->alert = (struct field_alert) {
			.above = below(2),
			.raise_above = 10,
			.clear_below = below(2) ? 10 : -5,
			.below = below(2),
			.raise_below = -10,
			.clear_above = below(2) ? -10 : 5,
			.for_ms = fors[below(4)],
		};
	}
	for (enum finding f = 0; f < FINDING_COUNT; f++)
		p->on[f] = below(3) ? FINDING_FLAG : below(4);
	p->partial = below(2);
	p->past_max_s = below(4) ? 30 * DAY_S : 0;
	p->late_after_s = below(4) ? 3600 : 0;
	p->future_max_s = below(4) ? 60 : 0;
	p->dedup = DEDUP_OFF;
	assert_int_equal(profile_compile(p), 0);
}

static void step(uint64_t number, unsigned n) {
	static struct text payload;
	struct sent s;

	for (unsigned t = 0; t < 3; t++) {
		got[t].len = want[t].len = 0;
		got[t].at[0] = want[t].at[0] = 0;
	}
	int64_t passed = below(100) == 0 ? below(40 * DAY_S) * SECOND : below(3000) * MS;
	rig.now_ns += (uint64_t)passed;
	rig.wall_ns += passed;
	random_message(&s);
	judge(&s);
	payload.len = 0;
	if (s.senml)
		write_senml(&payload, &s);
	else
		write_json(&payload, &s);
	struct message m = rig_message(&rig, payload.at, TOKEN_NONE);
	m.format = s.senml ? PAYLOAD_SENML_JSON : PAYLOAD_JSON;
	rig_push(&rig, 0, &m);
	rig.delivered = look;
	rig_complete(&rig, 0, RESULT_DELIVERED);
	rig_complete(&rig, 0, RESULT_DELIVERED); // dead letters
	for (unsigned t = 0; t < 3; t++)
		if (strcmp(got[t].at, want[t].at) != 0)
			fail_msg(
				"seed %" PRIu64 " episode %" PRIu64 " message %u at %" PRId64
				", topic %u\n%s\ngot\n%s\nwanted\n%s",
				seed,
				number,
				n,
				rig.wall_ns / MS,
				t,
				payload.at,
				got[t].at,
				want[t].at
			);
}

static void episode(uint64_t number) {
	rig_start(&rig, 1);
	random_profile();
	for (unsigned d = 0; d < DEVICES; d++) {
		struct field_oracle *fields = devices[d].fields;
		devices[d] = (struct device) {.fields = fields};
		forget(&devices[d]);
	}
	uint64_t before[FINDING_COUNT];
	memcpy(before, counted, sizeof(before));
	for (unsigned n = 0; n < MESSAGES; n++)
		step(number, n);
	for (enum finding f = 0; f < FINDING_COUNT; f++)
		assert_int_equal(rig_found(&rig, f), counted[f] - before[f]);
	rig_stop(&rig);
}

static void random_records_as_a_naive_reader_would_judge_them(void **) {
	for (unsigned i = 0; i < FIELDS; i++)
		snprintf(field_names[i], sizeof(field_names[i]), "f%u", i);
	for (unsigned d = 0; d < DEVICES; d++) {
		devices[d].fields = calloc(FIELDS, sizeof(struct field_oracle));
		assert_non_null(devices[d].fields);
	}
	for (uint64_t n = 0; n < episodes; n++) {
		state = (seed * 1000003 + n) * 0x9e3779b97f4a7c15u | 1;
		episode(n);
	}
	for (unsigned d = 0; d < DEVICES; d++)
		free(devices[d].fields);
	print_message(
		"%" PRIu64 " messages; records delivered %" PRIu64 " quarantined %" PRIu64
		", messages refused %" PRIu64 ", alerts %" PRIu64 "\n",
		episodes * MESSAGES,
		outcomes[0],
		outcomes[1],
		outcomes[2],
		alerts
	);
	for (enum finding f = 0; f < FINDING_COUNT && episodes >= 100; f++)
		if (f != FINDING_UNUSUAL && f != FINDING_CONFLICT && f != FINDING_SIGNATURE)
			assert_true(counted[f] > 100); // else this test looks at nothing
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_records_as_a_naive_reader_would_judge_them),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		episodes = strtoull(argv[2], NULL, 10);
	print_message("seed %" PRIu64 "\n", seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
