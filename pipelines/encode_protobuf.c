// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/encode_protobuf.h"
#include "pipelines/proto/record_wire.pb-c.h"

#include <string.h>

// Not 0, which proto3 leaves out: the egress thread fills in the number.
#define SEQ_PLACEHOLDER 1

// The library wants arrays of pointers; they point to the neighbours for ever.
struct protobuf_scratch {
	Sluice__V1__Record record;
	Sluice__V1__Property properties[PROTOBUF_PROPERTIES_MAX];
	Sluice__V1__Property *property_at[PROTOBUF_PROPERTIES_MAX];
	Sluice__V1__Finding findings[RECORD_FINDINGS_MAX];
	Sluice__V1__Finding *finding_at[RECORD_FINDINGS_MAX];
	Sluice__V1__Field fields[FIELDS_MAX];
	Sluice__V1__Field *field_at[FIELDS_MAX];
};

size_t protobuf_scratch_size(void) {
	return sizeof(struct protobuf_scratch);
}

// The library only reads from it.
static ProtobufCBinaryData bytes_of(struct view v) {
	return (ProtobufCBinaryData) {.len = v.len, .data = (uint8_t *)(uintptr_t)v.p};
}

static ProtobufCBinaryData text_of(const char *s) {
	return bytes_of(view_of(s, (uint32_t)strlen(s)));
}

static void put_value(Sluice__V1__Field *out, const struct value *v) {
	switch (v->kind) {
	case VALUE_NULL:
		break;
	case VALUE_BOOL:
		out->value_case = SLUICE__V1__FIELD__VALUE_FLAG;
		out->flag = v->b;
		break;
	case VALUE_I64:
		out->value_case = SLUICE__V1__FIELD__VALUE_INTEGER;
		out->integer = v->i;
		break;
	case VALUE_U64:
		out->value_case = SLUICE__V1__FIELD__VALUE_UNSIGNED;
		out->unsigned_ = v->u;
		break;
	case VALUE_F64:
		out->value_case = SLUICE__V1__FIELD__VALUE_NUMBER;
		out->number = v->f;
		break;
	case VALUE_STRING:
		out->value_case = SLUICE__V1__FIELD__VALUE_TEXT;
		out->text = bytes_of(v->s);
		break;
	case VALUE_BYTES:
		out->value_case = SLUICE__V1__FIELD__VALUE_DATA;
		out->data = bytes_of(v->s);
		break;
	}
}

static void put_fields(struct protobuf_scratch *s, const struct field *fields, uint32_t n) {
	for (uint32_t i = 0; i < n; i++) {
		Sluice__V1__Field *out = &s->fields[i];
		sluice__v1__field__init(out);
		out->name = bytes_of(fields[i].name);
		out->unit = bytes_of(fields[i].unit);
		put_value(out, &fields[i].v);
		s->field_at[i] = out;
	}
	s->record.n_fields = n;
	s->record.fields = s->field_at;
}

static void put_findings(struct protobuf_scratch *s, const struct record *rec) {
	for (uint32_t i = 0; i < rec->found_count; i++) {
		const struct found *f = &rec->found[i];
		Sluice__V1__Finding *out = &s->findings[i];
		sluice__v1__finding__init(out);
		out->finding = text_of(finding_label(f->finding));
		out->class_ = text_of(finding_class_label(finding_class_of(f->finding)));
		out->field = bytes_of(f->field);
		out->detail = f->detail;
		s->finding_at[i] = out;
	}
	s->record.n_findings = rec->found_count;
	s->record.findings = s->finding_at;
}

static void put_properties(struct protobuf_scratch *s, const struct message *m) {
	uint32_t n = m->property_count < PROTOBUF_PROPERTIES_MAX ? m->property_count
								 : PROTOBUF_PROPERTIES_MAX;

	for (uint32_t i = 0; i < n; i++) {
		Sluice__V1__Property *out = &s->properties[i];
		sluice__v1__property__init(out);
		out->name = bytes_of(m->properties[i].name);
		out->value = bytes_of(m->properties[i].value);
		s->property_at[i] = out;
	}
	s->record.n_properties = n;
	s->record.properties = s->property_at;
}

static void put_origin(Sluice__V1__Record *r, const struct envelope *e, const struct message *m) {
	r->ledger_seq = SEQ_PLACEHOLDER;
	r->appliance = bytes_of(e->appliance);
	r->appliance_epoch = e->appliance_epoch;
	r->map = e->partition_map;
	r->clock = (Sluice__V1__Clock)e->clock;
	r->clock_error_us = e->clock != CLOCK_UNKNOWN ? e->clock_error_us : 0;
	r->ack = (Sluice__V1__Ack)m->profile->route->ack;
	r->transport = text_of(transport_label(m->transport));
	r->realm = m->realm;
	r->arrival_ns = m->rx_wall_ns;
	r->path = bytes_of(m->path);
	r->content_type = bytes_of(m->content_type);
	r->proven = m->proven;
	r->retained = m->retained;
	r->replays = m->replays;
	if (m->profile->schema_version != 0) {
		r->profile = text_of(m->profile->name);
		r->schema = m->profile->schema_version;
	}
}

static void put_identity(Sluice__V1__Record *r, const struct item *it, const struct record *rec) {
	const struct reading *reading = rec->reading;

	r->device = bytes_of(rec->device);
	r->epoch = it->m.epoch;
	r->seq = reading->has_seq ? reading->seq : it->m.seq;
	r->n = rec->n;
	r->of = it->record_count;
	r->claimed = bytes_of(rec->claimed);
	if (reading->has_time) {
		r->device_time_case = SLUICE__V1__RECORD__DEVICE_TIME_TIME_NS;
		r->time_ns = reading->time_ns;
	}
}

uint32_t protobuf_prepare(
	struct protobuf_scratch *s,
	const struct envelope *e,
	const struct item *it,
	const struct record *rec,
	const struct readings *readings
) {
	sluice__v1__record__init(&s->record);
	put_origin(&s->record, e, &it->m);
	put_identity(&s->record, it, rec);
	put_properties(s, &it->m);
	put_findings(s, rec);
	put_fields(s, readings->fields + rec->first_field, rec->field_count);
	return (uint32_t)sluice__v1__record__get_packed_size(&s->record);
}

uint32_t protobuf_write(const struct protobuf_scratch *s, uint8_t *at) {
	return (uint32_t)sluice__v1__record__pack(&s->record, at);
}

uint32_t varint_write(uint8_t *at, uint32_t v) {
	uint32_t n = 0;

	for (; v >= 0x80; v >>= 7)
		at[n++] = (uint8_t)(v | 0x80);
	at[n++] = (uint8_t)v;
	return n;
}
