//! What an app says to `@amityco/ts-sdk` (or its React Native sister), the same in Node and in a page. It holds the SDK and what the
//! SDK tells; it judges nothing. Every answer can be sent as JSON.

/** A rejection as plain data: what an app's own `catch` would see. */
export function told(error) {
	const { code, level, type, message, name } = error ?? {};
	return { code, level, type, message, name, text: String(error) };
}

/** Calls, and gives `{answer}` or `{refused}`. */
export async function outcome(call) {
	try {
		return { answer: await call() };
	} catch (error) {
		return { refused: told(error) };
	}
}

export function words(sdk) {
	const seen = { states: [], renewals: 0, users: {} };
	const handler = { sessionWillRenewAccessToken: () => (seen.renewals += 1) };
	let client;

	return {
		/** Makes the process's client; `apiEndpoint` is the SDK's own setting for its address. */
		open(apiKey, region, apiEndpoint) {
			client = sdk.Client.createClient(apiKey, region, { apiEndpoint, rteEnabled: false });
			sdk.Client.onSessionStateChange?.((state) => seen.states.push(state));
			return true;
		},
		mint: (apiKey, region, params) => outcome(() => sdk.createUserToken(apiKey, region, params)),
		/** So many mints at once. */
		mintMany: (apiKey, region, params, count) =>
			Promise.all(Array.from({ length: count }, () => outcome(() => sdk.createUserToken(apiKey, region, params)))),
		login: (params) => outcome(() => sdk.Client.login(params, handler, { disableRTE: true })),
		loginWithAccessToken: (token) => outcome(() => sdk.Client.loginWithAccessToken(token)),
		resumeSession: (userId, token) => outcome(() => sdk.Client.resumeSession({ userId, token }, handler, { disableRTE: true })),
		secureLogout: () => outcome(() => sdk.Client.secureLogout()),
		/** Any call under the session: reads a user's profile, which `look` then shows. */
		user(id) {
			delete seen.users[id];
			sdk.UserRepository.getUser(id, ({ data, loading, error }) => {
				if (!loading) seen.users[id] = { name: data?.displayName, error: error && told(error) };
			});
			return true;
		},
		look: () => ({ ...seen, state: client?.sessionState, userId: client?.userId ?? null, token: client?.token ?? null }),
	};
}
