//! A program written for Hop: no address anywhere. Creates a channel, subscribes, publishes, prints what came back, ends.

import { Hop } from '@onehop/js';
import { hop } from '@onehop/client';

const backend = new Hop(process.env.HOP_TOKEN);
const { id } = await backend.channels.create('unprotected', undefined, { state: { n: 1 } });
const client = hop.init({ projectId: process.env.PROJECT_ID });
client.on('CONNECTION_STATE_UPDATE', (state) => state === 'connected' && client.subscribeToChannel(id));
client.getChannelStateMap().addListener((channels) => {
	if (channels.get(id)?.subscription === 'available') void backend.channels.publishMessage(id, 'ARRIVED', channels.get(id).state);
});
client.on('MESSAGE', ({ event, data }) => {
	console.log(event, JSON.stringify(data));
	process.exit(0);
});
