//! What the types of `tollgate/server` allow and refuse, from CommonJS. Checked by the compiler, never run.

import { Server, type Token } from 'tollgate/server';
import { Client } from 'tollgate';

const server = new Server({ url: 'http://x', key: 'k' });

export async function calls(): Promise<void> {
	const token = await server.tokens.create({ user_id: 'ann', capabilities: [{ channels: 'room*', operations: ['subscribe', 'state.read'] }] });
	const secret: string = token.secret;
	const read: Token = await server.tokens.get(token.id);
	// @ts-expect-error a token that is read has none
	const again: string = read.secret;
	// @ts-expect-error no such operation
	await server.tokens.create({ capabilities: [{ channels: '*', operations: ['fly'] }] });
	// @ts-expect-error no such field
	await server.tokens.create({ user: 'ann' });
	// @ts-expect-error the user is named once
	await server.tokenFor('ann', { user_id: 'ben' });
	for await (const { user_id } of server.users.all()) user_id.length;
	// @ts-expect-error no such type of channels
	await server.channels.create('room', { type: 'secret' });
	void [secret, again, Client];
}
