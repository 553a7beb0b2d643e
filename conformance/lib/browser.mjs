//! How the suites start Chromium. The driver comes from the caller, whose folder has it installed.

const ARGS = [
	'--no-sandbox',
	'--disable-gpu',
	'--disable-quic',
	'--no-first-run',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
];

/** Starts `chromium` (of playwright-core), headless, with more arguments if needed. */
export function startBrowser(chromium, ...args) {
	const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
	return chromium.launch({ executablePath, headless: true, args: [...ARGS, ...args] });
}
