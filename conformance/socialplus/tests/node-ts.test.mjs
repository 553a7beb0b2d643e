//! The TypeScript packages in Node: everything by method B (a wrapped `axios.create`), of three generations.

import { after, before } from 'node:test';
import { NodeApp } from '../lib/apps.mjs';
import { Place } from '../lib/place.mjs';
import { suite } from '../lib/suite.mjs';
import { extensions, mints } from '../suites/mints.mjs';
import { limited, refusals } from '../suites/refusals.mjs';

const PACKAGES = { '6.2.0': 'ts-sdk-6-2-0', '6.27.0': 'ts-sdk-6-27-0', '6.35.3': '@amityco/ts-sdk' };

let place;
const apps = {};

before(async () => {
	place = await Place.open();
	for (const [version, name] of Object.entries(PACKAGES)) {
		apps[version] = await new NodeApp(name, { apiKey: place.apiKey, base: place.url }).open();
	}
});
after(async () => {
	for (const app of Object.values(apps)) await app.close();
	await place?.close();
});

for (const version of Object.keys(PACKAGES)) {
	suite(`ts-sdk ${version}, Node`, [...mints, ...extensions, ...refusals, limited], () => ({ place, app: apps[version] }));
}
