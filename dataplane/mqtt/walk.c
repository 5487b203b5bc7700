// SPDX-License-Identifier: Apache-2.0
// A look at the live sessions, a slice at a time: for lists, and to end those that may not go on.
#include "dataplane/mqtt/state.h"

uint32_t mqtt_walk(
	struct mqtt_server *m,
	uint32_t from,
	uint32_t most,
	enum mqtt_end (*visit)(void *visitor, const struct mqtt_visit *v),
	void *visitor
) {
	uint32_t s = from;

	for (; most > 0 && s < m->session_top; s++, most--) {
		const struct session *se = session_at(m, s);
		if (se->state != SESSION_LIVE || se->conn == MQTT_NONE)
			continue;
		// Nothing is lent to the pipeline here: what the id takes is given back at once.
		uint32_t used = m->arena_used;
		if (!arena_reserve(m, m->config.client_id_max + 8u))
			return s;
		struct mqtt_visit v = {
			.session = s,
			.conn = se->conn,
			.device = session_device(m, s),
			.admitted = !m->config.listeners[se->listener].password
				|| auth_user_active(m->config.credentials, se->identity),
			.unknown = m->config.listeners[se->listener].unknown,
			.idle_ms = m->now_ms - se->last_rx_ms,
			.messages = se->seq,
		};
		enum mqtt_end end = visit(visitor, &v);
		m->arena_used = used < m->arena_used ? used : m->arena_used;
		if (end != MQTT_END_COUNT)
			session_end(m, s, end);
	}
	return s < m->session_top ? s : MQTT_NONE;
}
