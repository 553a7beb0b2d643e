//! What the types of `tollgate/client` allow and refuse. Checked by the compiler, never run.

import { Client, type Message, type State, type TollgateError } from 'tollgate/client';

type Events = { said: { text: string }; typing: null };

const client = new Client<Events>({ url: 'http://x', project: 'p', token: async () => 't' });
const room = client.subscribe<{ topic: string }>('room', { rewind: { last: 5 }, presence: true });

// Names and data are the application's.
void client.publish('room', 'said', { text: 'hello' });
void room.publish('typing', null);
// @ts-expect-error there is no such event
void client.publish('room', 'shouted', { text: 'hello' });
// @ts-expect-error not its data
void client.publish('room', 'said', { words: 'hello' });
// @ts-expect-error not its data
void room.publish('typing', { text: 'hello' });

// What comes in is narrowed by its event.
room.on('message', (message) => {
	if (message.event === 'said') {
		const text: string = message.data.text;
		void text;
	} else {
		const nothing: null = message.data;
		void nothing;
	}
	// @ts-expect-error only one of the two has it
	void message.data.text;
	// @ts-expect-error it never is
	if (message.event === 'shouted') return;
});
room.onEvent('said', ({ data, sender, position }) => [data.text.length, sender?.user?.length, position.length]);
// @ts-expect-error there is no such event
room.onEvent('shouted', () => {});
for await (const message of room) {
	const name: 'said' | 'typing' = message.event;
	void name;
}
const page = await client.history('room', { after: 'a-1' });
const messages: Message<Events>[] = page.messages;
void messages;
void client.batch([{ channel: 'room', event: 'said', data: { text: 'hi' } }, { channel: 'room', event: 'typing', data: null, echo: false }]);
// @ts-expect-error the data of another event
void client.batch([{ channel: 'room', event: 'typing', data: { text: 'hi' } }]);

// States, and what a client tells of itself.
room.on('state', ({ state, version }) => [state.topic.length, version.toFixed()]);
const topic: string | undefined = room.state?.topic;
void topic;
client.on('state', ({ state, error }: { state: State; error: TollgateError | null }) => [state, error?.retry]);
room.on('gap', async (gap) => {
	for await (const message of gap.messages()) void message.at;
});
// @ts-expect-error no such news
client.on('nonsense', () => {});
// @ts-expect-error one of both
client.subscribe('room', { rewind: {} });
// @ts-expect-error a project is needed
void new Client({ url: 'http://x' });
// @ts-expect-error a token is a text
void new Client({ url: 'http://x', project: 'p', token: async () => 7 });

// Without a map everything goes.
const any = new Client({ url: 'http://x', project: 'p' });
void any.publish('room', 'whatever', { any: ['thing'] });
any.subscribe('room').on('message', ({ event, data }) => [event, data.anything.at.all]);
