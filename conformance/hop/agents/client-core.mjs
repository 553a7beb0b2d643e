//! One `@onehop/client`, used as an app uses it and remembering what the app would have seen. Runs in a Node process or a browser
//! page of its own, since `hop.init` knows one client per process. It judges nothing; the tests do.

/** `hop` is the package's export. What the returned functions give back is plain JSON. */
export function clientAgent(hop) {
	const seen = { states: [], messages: [], named: [], stateUpdates: [], service: [], warnings: [] };
	for (const level of ['warn', 'error', 'log']) {
		console[level] = (...args) => seen.warnings.push(args.map((arg) => (typeof arg === 'object' ? JSON.stringify(arg) : String(arg))).join(' '));
	}
	let client;
	return {
		init(auth, options) {
			client = hop.init(auth, options);
			client.on('CONNECTION_STATE_UPDATE', (state) => seen.states.push(state));
			client.on('MESSAGE', (message) => seen.messages.push(message));
			client.on('STATE_UPDATE', (update) => seen.stateUpdates.push(update));
			client.on('SERVICE_EVENT', (event) => seen.service.push(event));
		},

		/** Calls a method of the client; an exception comes back as its message. */
		call(method, ...args) {
			try {
				client[method](...args);
				return null;
			} catch (error) {
				return error.message;
			}
		},

		/** Initialises and calls a method at once, before any answer can be here. */
		initAndCall(auth, options, method, ...args) {
			this.init(auth, options);
			return this.call(method, ...args);
		},

		/** Calls a method of the client once for each argument list, in one go. */
		burst(method, lists) {
			for (const args of lists) client[method](...args);
		},

		listen(channel, event) {
			client.addMessageSubscription(channel, event, (data) => seen.named.push({ channel, event, data }));
		},

		look() {
			return {
				...seen,
				connection: client.getConnectionState(),
				channels: Object.fromEntries(client.getChannelStateMap().entries()),
				rooms: Object.fromEntries(client.getRoomStateMap().entries()),
			};
		},
	};
}
