// What makes the console more comfortable. Every page works without it: nothing here decides, keeps or shows what the server did not send.
(() => {
	const closest = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);
	const LATER_MS = 2000;

	// ---- asking: a whole page comes back, and one part of it is taken ----
	const LOOK = { 'x-console-look': '1' };
	let signedOut = false;
	const overWith = () => {
		signedOut = true;
		document.getElementById('signed-out')?.removeAttribute('hidden');
	};
	const parse = (text) => new DOMParser().parseFromString(text, 'text/html');
	const take = (text, id) => parse(text).getElementById(id);
	const renew = (old, fresh) => {
		if (!old || !fresh) return false;
		old.replaceWith(document.adoptNode(fresh));
		arrived(fresh);
		return true;
	};

	// ---- forms and links that exchange a part: <form data-swap="ID"> ----
	// What cannot be exchanged (another page, no such part) is gone to as without script.
	const exchange = async (id, address, options) => {
		const answer = await fetch(address, { credentials: 'same-origin', ...options });
		const text = await answer.text();
		const fresh = take(text, id);
		if (!fresh || !renew(document.getElementById(id), fresh)) return location.assign(answer.redirected ? answer.url : address);
		if (!options || answer.redirected) history.replaceState(null, '', answer.url);
		(fresh.querySelector('[aria-invalid="true"]') ?? fresh.querySelector('[role="alert"], [role="status"]'))?.focus?.();
	};
	document.addEventListener('submit', (event) => {
		const form = event.target;
		form.setAttribute('data-sent', '');
		const id = form.dataset.swap;
		if (!id) return;
		event.preventDefault();
		const fields = new URLSearchParams(new FormData(form, event.submitter));
		const address = event.submitter?.getAttribute('formaction') ?? form.getAttribute('action') ?? location.pathname;
		const posts = form.method === 'post';
		const sent = posts ? exchange(id, address, { method: 'POST', body: fields }) : exchange(id, `${address}?${fields}`);
		sent.catch(() => form.removeAttribute('data-sent'));
	});
	document.addEventListener('click', (event) => {
		const link = closest(event, 'a[data-swap]');
		if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
		event.preventDefault();
		exchange(link.dataset.swap, link.href).catch(() => location.assign(link.href));
	});

	// ---- live parts: <section id="x" data-live="2"> asks for itself again; nobody looks, nobody asks ----
	const rests = (element) => signedOut || document.hidden || element.closest('[data-paused]') !== null;
	const busy = (element) => element.querySelector('[data-touched]') || (element.contains(document.activeElement) && document.activeElement !== document.body) || (element.contains(getSelection().anchorNode) && !getSelection().isCollapsed);
	const asked = new Map();
	const live = async (element) => {
		const id = element.id;
		const answer = await fetch(element.dataset.from ?? location.href, { headers: LOOK, credentials: 'same-origin' });
		if (answer.status === 401) return overWith();
		if (answer.status !== 200) return;
		const fresh = take(await answer.text(), id);
		const old = document.getElementById(id);
		if (fresh && old?.dataset.from) fresh.dataset.from = old.dataset.from; // Of another page, and so the next time.
		if (fresh && old && !busy(old) && !rests(old) && !old.isEqualNode(fresh)) renew(old, fresh);
	};
	setInterval(() => {
		for (const element of document.querySelectorAll('[data-live][id]')) {
			const { id } = element;
			const due = (asked.get(id) ?? performance.now()) + Number(element.dataset.live) * 1000;
			if (!asked.has(id)) asked.set(id, performance.now());
			if (due > performance.now() || rests(element)) continue;
			asked.set(id, Infinity);
			live(element).catch(() => {}).finally(() => asked.set(id, performance.now()));
		}
	}, 250);

	// ---- a channel's tail: <ol data-tail="ADDRESS"> gets rows put in front; the answer's list says where to ask next ----
	const follow = async (list) => {
		while (list.isConnected && !signedOut) {
			if (rests(list)) {
				await new Promise((go) => setTimeout(go, 250));
				continue;
			}
			try {
				const answer = await fetch(list.dataset.tail, { headers: LOOK, credentials: 'same-origin' });
				if (answer.status === 401) return overWith();
				const fresh = answer.status === 200 ? take(await answer.text(), list.id) : null;
				if (!fresh) throw new Error('not now');
				list.dataset.tail = fresh.dataset.tail;
				arrived(fresh);
				list.prepend(...fresh.children);
				while (list.children.length > Number(list.dataset.most)) list.lastElementChild.remove();
			} catch {
				await new Promise((go) => setTimeout(go, LATER_MS));
			}
		}
	};

	// ---- what is typed is not lost ----
	document.addEventListener('input', (event) => closest(event, '[data-keeps]')?.setAttribute('data-touched', ''));
	addEventListener('beforeunload', (event) => {
		if (document.querySelector('form:not([data-sent]) [data-touched]')) event.preventDefault();
	});

	// ---- clicks and keys ----
	document.addEventListener('click', async (event) => {
		const pause = closest(event, '[data-pause]');
		if (pause) {
			const paused = document.getElementById(pause.dataset.pause)?.toggleAttribute('data-paused');
			pause.setAttribute('aria-pressed', String(paused));
		}
		const copy = closest(event, '[data-copy]');
		if (!copy) return;
		const from = document.getElementById(copy.dataset.copy);
		try {
			await navigator.clipboard.writeText(from.textContent);
			copy.dataset.label ??= copy.lastChild.textContent;
			copy.lastChild.textContent = 'Copied';
			setTimeout(() => { copy.lastChild.textContent = copy.dataset.label; }, LATER_MS);
		} catch {
			getSelection().selectAllChildren(from);
		}
	});
	document.addEventListener('submit', (event) => {
		const form = event.target;
		if (!form.hasAttribute('data-theme-switch')) return;
		event.preventDefault();
		const root = document.documentElement;
		const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
		root.dataset.theme = dark ? 'light' : 'dark';
		const fields = new URLSearchParams(new FormData(form));
		fields.set('theme', root.dataset.theme);
		fetch(form.getAttribute('action'), { method: 'POST', body: fields, redirect: 'manual' }).catch(() => {});
	});
	document.addEventListener('keydown', (event) => {
		if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || closest(event, 'input, textarea, select')) return;
		event.preventDefault();
		document.getElementById('find')?.focus();
	});

	// ---- whatever arrives: times in the reader's own zone on hovering, buttons that need script, tails ----
	const arrived = (within) => {
		for (const time of within.querySelectorAll('time[datetime]:not([title])')) {
			const at = new Date(time.dateTime);
			if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString();
		}
		for (const hidden of within.querySelectorAll('[data-scripted]')) hidden.removeAttribute('hidden');
		for (const list of within.querySelectorAll('[data-tail]')) follow(list);
	};

	// ---- the one-time code comes behind a #, so that no log has it ----
	const code = document.querySelector('input[data-from-fragment]');
	if (code && location.hash.length > 1) {
		code.value = location.hash.slice(1);
		code.closest('[data-hides]')?.setAttribute('hidden', '');
		history.replaceState(null, '', location.pathname + location.search);
	}
	arrived(document);
})();
