//! The console without a browser: its first owner, who makes tokens by the form, and reads on the page what it says to paste. A test runs that as it
//! is printed. What a browser does with the same pages is `conformance/console`'s.

import { request } from 'node:http';

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', '#34': '"', '#39': "'", '#38': '&', '#60': '<', '#62': '>' };
const unescape = (html) => html.replace(/&([a-z]+|#\d+);/g, (_, name) => {
	if (!(name in ENTITIES)) throw new Error(`&${name}; in a page`);
	return ENTITIES[name];
});

/** One request as a browser makes it from a page of the console; `fields` are a form. */
function ask(server, method, path, { cookie = '', fields } = {}) {
	const body = fields && new URLSearchParams(fields).toString();
	const headers = { 'sec-fetch-site': 'same-origin', cookie };
	if (body !== undefined) Object.assign(headers, { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) });
	return new Promise((resolve, reject) => {
		const asked = request(`${server.url}${path}`, { method, headers }, (answer) => {
			let text = '';
			answer.setEncoding('utf8').on('data', (part) => (text += part));
			answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
		});
		asked.on('error', reject);
		asked.end(body);
	});
}

const hidden = (page, name) => {
	const [, value] = new RegExp(`name="${name}" value="([^"]*)"`).exec(page.text) ?? [];
	if (value === undefined) throw new Error(`no field ${name} (${page.status}):\n${page.text}`);
	return unescape(value);
};

/** What the page of a new token prints for one that is in this channel: its secret, and each snippet by its word. */
export async function printed(server, { user, channel }) {
	const code = JSON.parse(server.stdout.split('\n')[0]).console.split('#')[1];
	const password = 'correct horse battery';
	const entered = await ask(server, 'POST', '/console/set-up', { fields: { code, username: 'mara', password, again: password } });
	const cookie = entered.headers['set-cookie']?.[0].split(';')[0];
	if (!cookie) throw new Error(`nobody was let in: ${entered.status}\n${entered.text}`);
	const path = `/console/p/${server.project}/tokens/new`;
	const form = await ask(server, 'GET', path, { cookie });
	const fields = { _csrf: hidden(form, '_csrf'), once: hidden(form, 'once'), user, channels: channel };
	const made = await ask(server, 'POST', path, { cookie, fields });
	const snippets = Object.fromEntries([...made.text.matchAll(/<pre id="snippet-(\w+)"[^>]*>([\s\S]*?)<\/pre>/g)].map(([, word, text]) => [word, unescape(text)]));
	const [, secret] = /(tgt_[\w-]+)/.exec(made.text) ?? [];
	if (!secret || Object.keys(snippets).length < 5) throw new Error(`no secret with five snippets: ${made.status}\n${made.text}`);
	return { secret, snippets };
}
