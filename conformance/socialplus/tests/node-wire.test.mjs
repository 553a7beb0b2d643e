//! social.plus's routes on the raw wire, as its other SDKs and backends would use them.

import { after, before } from 'node:test';
import { Place } from '../lib/place.mjs';
import { suite } from '../lib/suite.mjs';
import { sessionCalls, sessionRefusals } from '../suites/wire-sessions.mjs';
import { otherCalls } from '../suites/wire-others.mjs';

let place;

before(async () => {
	place = await Place.open();
});
after(() => place?.close());

suite('wire', [...sessionCalls, ...sessionRefusals, ...otherCalls], () => place);
