//! The Node process around one `@onehop/client`: takes calls over the parent's channel and ends when the parent is gone.

import { hop } from '@onehop/client';
import { clientAgent } from './client-core.mjs';

const agent = clientAgent(hop);
process.on('message', ({ number, method, args }) => {
	process.send({ number, answer: agent[method](...args) ?? null });
});
process.on('disconnect', () => process.exit(0));
