// SPDX-License-Identifier: Apache-2.0
// The mqtt.js client of tests/functional/mqtt_bad_network.sh: bad_network_client.js HOST NAME SIZE
// Same behaviour and output as mqtt_bad_network_client.py.
'use strict';
const mqtt = require('mqtt');

const [host, name, size] = process.argv.slice(2);
const COUNT = 60;
const SECONDS = 50;
let acked = 0;
const clients = [];

function end(code) {
	for (const c of clients)
		c.end(true);
	process.exit(code);
}

for (const [qos, protocolVersion] of [[1, 4], [2, 5]]) {
	const device = `${name}-${qos}`;
	const c = mqtt.connect({
		host, port: 1883, protocol: 'mqtt', clientId: device, keepalive: 10, protocolVersion,
		clean: false, reconnectPeriod: 1000,
		properties: protocolVersion === 5 ? { sessionExpiryInterval: 300 } : undefined,
	});
	c.on('error', () => {});
	for (let n = 0; n < COUNT; n++) {
		const payload = JSON.stringify({ n, pad: 'x'.repeat(n * 37 % Number(size)) });
		c.publish(`t/${device}/env`, payload, { qos }, (error) => {
			if (error)
				return;
			console.log(device, n, qos);
			if (++acked === 2 * COUNT)
				end(0);
		});
	}
	clients.push(c);
}
setTimeout(() => end(1), SECONDS * 1000);
