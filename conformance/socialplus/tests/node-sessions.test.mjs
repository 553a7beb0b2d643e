//! `Client.login` of 6.35.3 in Node, by the SDK's own `apiEndpoint`.

import { after, before } from 'node:test';
import { NodeApp } from '../lib/apps.mjs';
import { Place } from '../lib/place.mjs';
import { suite } from '../lib/suite.mjs';
import { sessions } from '../suites/sessions.mjs';

let place;

before(async () => {
	place = await Place.open();
});
after(() => place?.close());

// `createUserToken` does not know the client's address, hence the base; the shim is for the login.
const start = () => new NodeApp('@amityco/ts-sdk', { apiKey: place.apiKey, base: place.url }).open({ http: place.url });

suite('ts-sdk 6.35.3, Node', sessions, () => ({ place, start }));
