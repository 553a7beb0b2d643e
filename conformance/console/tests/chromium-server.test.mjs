//! The pages of the server itself in Chromium: a project is made and its key opens `/v2`, and owners see how the server is set up, without secrets.

import { after, before, test } from 'node:test';
import { ok, same } from '../../lib/check.mjs';
import { Place, violations } from '../lib/place.mjs';

const SECRET = 'hush-hush-nobody-sees-this';
let place;
let page;
before(async () => {
	place = await Place.open({ env: { TOLLGATE_ACCESS_HOOK_URL: 'http://127.0.0.1:9/', TOLLGATE_ACCESS_HOOK_SECRET: SECRET, TOLLGATE_DRAIN_SPREAD_MS: '1234' } });
	page = await place.owner();
});
after(async () => {
	await place?.close();
	place?.checkComplaints();
});

const asked = async (key, method, path, body) => {
	const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
	const answer = await fetch(`${place.server.url}${path}`, { method, headers, body: JSON.stringify(body) });
	return [answer.status, await answer.json()];
};

test('a project is made, its key opens /v2 and nothing of another project, and it gets another name', async () => {
	await place.api('POST', '/v2/channels', { id: 'theirs', type: 'public' });
	await page.click('header button[popovertarget="me"]');
	await page.click('#me a:text("Projects")');
	await page.waitForURL('**/console/server/projects');
	await page.fill('#create #name', 'Shop <b>&');
	await place.shoot(page, 'projects');
	await page.click('#create button.first');
	const key = await page.textContent('#secret');
	ok(key.startsWith('ptk_'), key);
	ok(!page.url().includes(key), 'a secret is in no address');
	same(await violations(page), []);
	await page.click('text=Back to the list');
	ok(!(await page.content()).includes(key), 'it is shown once');
	const [status, project] = await asked(key, 'GET', '/v2/project');
	same([status, project.name], [200, 'Shop <b>&']);
	ok(project.id !== place.server.project, 'it is another project');
	same((await asked(key, 'POST', '/v2/channels', { id: 'ours', type: 'public' }))[0], 201);
	same((await asked(key, 'GET', '/v2/channels/theirs'))[0], 404);

	await page.click('a[aria-label="Rename Shop <b>&"]');
	await page.fill('#name', 'Store');
	await page.click('#about button.first');
	await page.waitForURL('**/settings?said=about*');
	same((await asked(key, 'GET', '/v2/project'))[1].name, 'Store');
	await page.goto(`${place.server.url}/console/p/${project.id}/channels`);
	ok((await page.textContent('main')).includes('ours'), 'its channels are here');
	const audit = JSON.stringify((await asked(key, 'GET', '/v2/audit?limit=50'))[1]);
	ok(audit.includes('project.create') && audit.includes('opr_') && !audit.includes(key), audit);
});

test('owners see how the server is set up, and no secret', async () => {
	await page.goto(`${place.server.url}/console/server/about`);
	const text = await page.textContent('main');
	for (const said of ['access_hook.secret', '"(secret)"', 'environment TOLLGATE_ACCESS_HOOK_SECRET', 'drain.spread_ms', '1234', 'flag --listen', 'running, version', 'Records to seal again', new URL(place.server.url).host]) {
		ok(text.includes(said), `${said} in ${text}`);
	}
	ok(!(await page.content()).includes(SECRET), 'a secret is not shown');
	await page.click('text=at their defaults');
	ok(await page.isVisible('text=limits.connections_max'), 'the defaults fold out');
	await place.shoot(page, 'server');
	await page.click('text=Look again');
	await page.waitForSelector('#doctor tbody tr');
	same(await violations(page), []);
});
