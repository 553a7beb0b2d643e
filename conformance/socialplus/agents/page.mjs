//! An app in a browser page that has one of the packages as published, loaded by a script tag before this one.

import { outcome, words } from './words.mjs';

const legacy = window['@amityco/js-sdk'];

/** What an app says to `@amityco/js-sdk`; a call that has not settled within `patience_ms` is `{pending}`. */
function legacyWords({ AmityUserTokenManager, ApiRegion }) {
	const pending = (ms) => new Promise((resolve) => setTimeout(resolve, ms, { pending: true }));
	return {
		regions: () => ApiRegion,
		mint: (apiKey, region, params, patience_ms = 4000) =>
			Promise.race([outcome(() => AmityUserTokenManager.createUserToken(apiKey, region, params)), pending(patience_ms)]),
	};
}

window.app = legacy ? legacyWords(legacy) : words(window.Amity);
