//! Stands in for the three platform modules of React Native in a Node process: load it with `--require` before the React Native package.
//! The package itself stays as published.

const Module = require('node:module');

const stored = new Map();
const storage = {
	getItem: async (key) => stored.get(key) ?? null,
	setItem: async (key, value) => void stored.set(key, value),
	removeItem: async (key) => void stored.delete(key),
};
const online = { isConnected: true, isInternetReachable: true };
const net = { addEventListener: (listener) => (listener(online), () => {}), fetch: async () => online };

const platform = {
	'react-native': { Platform: { OS: 'android', Version: 34 }, AppState: { currentState: 'active', addEventListener: () => ({ remove() {} }) } },
	'@react-native-async-storage/async-storage': { __esModule: true, default: storage },
	'@react-native-community/netinfo': { __esModule: true, default: net, ...net },
};

const load = Module._load;
Module._load = (request, ...rest) => (Object.hasOwn(platform, request) ? platform[request] : load(request, ...rest));
