//! An application of the SDK that says in JSON what it heard, so that the same tests drive one in Node and one in a page of a browser.

/** `Client` is the SDK's, of wherever this runs. */
export function createApp(Client) {
	const clients = new Map();

	const told = (error) => error && { code: error.code, retry: error.retry, message: error.message };
	const short = ({ channel, event, data, position, offset, sender, id }) => ({ channel, event, data, position, offset, user: sender?.user, id });

	/** How the token is got: a fixed one, by a request, or not at all. */
	function tokenOf({ token, tokenUrl }, log) {
		if (tokenUrl === undefined) return token;
		return async () => {
			log.asked += 1;
			const answer = await fetch(tokenUrl);
			if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
			return answer.text();
		};
	}

	return {
		/** A client named `name`, in these channels (`{ room: options }`), not connected yet. */
		make(name, { url, project, channels = {}, noSockets = false, ...options }) {
			const log = { messages: [], directs: [], gaps: [], states: [], presence: [], ended: [], errors: [], requests: [], asked: 0, lost: 0 };
			class NoSocket {
				constructor() {
					setTimeout(() => this.onclose?.({ code: 1006, reason: '' }), 0);
				}
				close() {}
			}
			const secret = tokenOf(options, log);
			const { tokenUrl: _, token: __, tickets = false, ...rest } = options;
			const named = secret === undefined ? {} : { [tickets ? 'ticket' : 'token']: secret };
			const watched = (input, init) => {
				log.requests.push(String(input));
				return fetch(input, init);
			};
			const client = new Client({ url, project, fetch: watched, ...named, ...rest, ...(noSockets && { WebSocket: NoSocket }) });
			client.on('message', (message) => log.messages.push(short(message)));
			client.on('direct', ({ event, data, position }) => log.directs.push({ event, data, position }));
			client.on('direct_lost', () => (log.lost += 1));
			client.on('gap', ({ channel, from, to }) => log.gaps.push({ channel, from, to }));
			client.on('unsubscribed', ({ channel, reason, error }) => log.ended.push({ channel, reason, error: told(error) }));
			client.on('state', ({ state, error }) => {
				log.states.push(state);
				if (error) log.errors.push(told(error));
			});
			const subscriptions = new Map();
			for (const [channel, wish] of Object.entries(channels)) {
				const subscription = client.subscribe(channel, wish);
				subscription.on('presence', (change) => log.presence.push(change));
				subscriptions.set(channel, subscription);
			}
			clients.set(name, { client, log, subscriptions });
		},

		/** Connects, and waits until it is in its channels. */
		async connect(name) {
			const { client, subscriptions } = clients.get(name);
			await client.connect();
			await Promise.all([...subscriptions.values()].map(({ ready }) => ready));
		},

		/** Calls a method of the client; what it rejects with is told as `{ error }`. */
		async call(name, method, ...args) {
			try {
				const value = await clients.get(name).client[method](...args);
				return { value: value === undefined ? null : JSON.parse(JSON.stringify(value)) };
			} catch (error) {
				return { error: { ...told(error), version: error.version, position: error.position } };
			}
		},

		/** Subscribes, and waits for what comes of it. */
		async subscribe(name, channel, options) {
			const { client, subscriptions } = clients.get(name);
			const subscription = client.subscribe(channel, options);
			subscriptions.set(channel, subscription);
			try {
				await subscription.ready;
				const { state, version, position, type } = subscription;
				return { state, version, position, type };
			} catch (error) {
				return { error: told(error) };
			}
		},

		async unsubscribe(name, channel) {
			await clients.get(name).subscriptions.get(channel).unsubscribe();
		},

		/** Everything that an iterator of the client gives. */
		async collect(name, method, ...args) {
			const all = [];
			for await (const one of clients.get(name).client[method](...args)) all.push(one);
			return JSON.parse(JSON.stringify(all));
		},

		/** What it heard so far. */
		log(name) {
			const { client, log, subscriptions } = clients.get(name);
			const places = [...subscriptions].map(([channel, { state, version, status, position }]) => [channel, { state, version, status, position }]);
			const { state, counters, token } = client;
			return JSON.parse(JSON.stringify({ ...log, now: state, counters, token, channels: Object.fromEntries(places), resume: client.resumePoint() }));
		},

		close(name) {
			clients.get(name).client.close();
		},

		closeAll() {
			for (const { client } of clients.values()) client.close();
			clients.clear();
		},
	};
}
