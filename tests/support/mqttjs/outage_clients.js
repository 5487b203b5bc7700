// SPDX-License-Identifier: Apache-2.0
// The mqtt.js clients of tests/functional/mqtt_outage.sh: outage_clients.js COUNT HOST
// Same behaviour and output as mqtt_outage_clients.py.
'use strict';
const mqtt = require('mqtt');

const count = Number(process.argv[2]);
const host = process.argv[3];
const EVERY_MS = 2000;
const OUTSTANDING = 4;
const DRAIN_MS = 20000;

let connected = 0;
let lost = 0;
let stopping = false;
const pending = new Array(count).fill(0);
const clients = [];

function tick(n, number) {
	if (stopping)
		return;
	if (pending[n] < OUTSTANDING) {
		const mine = number++;
		pending[n]++;
		clients[n].publish(`t/mqttjs-${n}/env`, `{"n":${mine}}`, { qos: 1 }, (error) => {
			if (error)
				return;
			pending[n]--;
			console.log('ack', (Date.now() / 1000).toFixed(3), `mqttjs-${n}`, mine);
		});
	}
	setTimeout(tick, EVERY_MS, n, number);
}

for (let n = 0; n < count; n++) {
	const client = mqtt.connect({
		host, port: 1883, protocol: 'mqtt', clientId: `mqttjs-${n}`, keepalive: 10,
		protocolVersion: n % 2 ? 5 : 4, reconnectPeriod: 0,
	});
	client.on('connect', () => {
		if (++connected === count) {
			console.log('ready');
			for (let i = 0; i < count; i++)
				setTimeout(tick, EVERY_MS * i / count, i, 0);
		}
	});
	client.on('close', () => { lost++; });
	client.on('error', (error) => console.error(`mqttjs-${n}:`, error.message));
	clients.push(client);
}

process.on('SIGTERM', () => {
	stopping = true;
	const end = Date.now() + DRAIN_MS;
	const wait = setInterval(() => {
		const outstanding = pending.reduce((a, b) => a + b, 0);
		if (outstanding && Date.now() < end)
			return;
		clearInterval(wait);
		console.log('end', connected, lost, outstanding);
		process.exit(0);
	}, 50);
});
