// SPDX-License-Identifier: Apache-2.0
// Topic aliases of one connection (MQTT 5, section 3.3.2.3.4).
#include "dataplane/mqtt/state.h"

static uint32_t *table_of(struct mqtt_server *m, const struct active *a) {
	return mqtt_pool_at(&m->aliases, a->aliases);
}

bool alias_resolve(struct mqtt_server *m, uint32_t s, uint16_t alias, struct view *topic) {
	const struct active *a = active_at(m, s);

	if (alias > m->config.alias_max || a == nullptr || a->aliases == MQTT_NONE)
		return false;
	uint32_t handle = table_of(m, a)[alias - 1];
	if (handle == MQTT_NONE)
		return false;
	uint32_t n = mqtt_chain_len(&m->topics, handle);
	uint8_t *p = arena_take(m, n);
	mqtt_chain_load(&m->topics, handle, p);
	*topic = view_of(p, n);
	return true;
}

bool alias_set(struct mqtt_server *m, uint32_t s, uint16_t alias, struct view topic) {
	struct active *a = active_need(m, s);

	if (a == nullptr)
		return false;
	if (a->aliases == MQTT_NONE) {
		a->aliases = mqtt_pool_take(&m->aliases);
		if (a->aliases == MQTT_NONE)
			return false;
		for (unsigned i = 0; i < m->config.alias_max; i++)
			table_of(m, a)[i] = MQTT_NONE;
	}
	uint32_t *place = &table_of(m, a)[alias - 1];
	uint32_t handle = mqtt_chain_store(&m->topics, &topic, 1);
	if (handle == MQTT_NONE)
		return false;
	mqtt_chain_drop(&m->topics, *place);
	*place = handle;
	return true;
}

void alias_drop_all(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_at(m, s);

	if (a == nullptr || a->aliases == MQTT_NONE)
		return;
	for (unsigned i = 0; i < m->config.alias_max; i++)
		mqtt_chain_drop(&m->topics, table_of(m, a)[i]);
	mqtt_pool_give(&m->aliases, a->aliases);
	a->aliases = MQTT_NONE;
}
