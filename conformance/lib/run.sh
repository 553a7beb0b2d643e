# What every run.sh here starts with and ends with; sourced, in the suite's own folder. Not a suite.
#
#   prepare [BINARY]     finds the program under test, checks Node, installs the pinned packages once
#   skip WORD REASON     leaves out the test files with this word in their name
#   skip_impossible      leaves out what this machine cannot run: no Chromium, no network namespaces
#   run_tests            runs what is left, names what was left out, and exits
#
# The file expects `set -euo pipefail`. NPM_FLAGS adds flags to `npm ci`, CONCURRENCY says how many files run at once.

CANNOT_RUN_HERE=77
skipped=()
status=0
chromium=${CHROMIUM:-/usr/bin/chromium}

prepare() {
	binary=
	if [ $# -gt 0 ]; then
		binary=$(realpath -- "$1")
	else
		for candidate in ../../target/release/tollgate ../../target/debug/tollgate; do
			[ -x "$candidate" ] && binary=$(realpath -- "$candidate") && break
		done
	fi
	if [ -z "$binary" ] || [ ! -x "$binary" ]; then
		echo "no tollgate binary${binary:+ at $binary}: build one with 'cargo build --release' or pass its path" >&2
		exit 2
	fi
	if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null; then
		echo "Node 20 or newer is needed; found: $(node --version 2>/dev/null || echo none)" >&2
		exit 2
	fi
	# Install again only when the lock file changed since the last install.
	local stamp=node_modules/.installed-lock
	if ! cmp -s package-lock.json "$stamp"; then
		if ! npm ci --no-audit --no-fund ${NPM_FLAGS:-}; then
			echo "SKIPPED: the pinned packages cannot be installed here: npm ci failed, see above"
			exit "$CANNOT_RUN_HERE"
		fi
		cp package-lock.json "$stamp"
	fi
	files=${ONLY:-$(ls tests/*.test.*js)}
}

skip() {
	local kept= file
	for file in $files; do
		if [[ $file == *$1* ]]; then skipped+=("$file: $2"); else kept="$kept $file"; fi
	done
	files=$kept
}

skip_impossible() {
	if [ ! -x "$chromium" ]; then
		skip chromium "no Chromium at $chromium (Debian: apt-get install chromium, or set CHROMIUM)"
		[ ${#skipped[@]} -eq 0 ] || [ "${ALLOW_SKIP:-}" = 1 ] || status=1
	fi
	{ unshare --map-root-user --net --mount ip link set lo up && openssl version; } >/dev/null 2>&1 ||
		skip namespace "needs Linux with user namespaces, and unshare, ip and openssl (Debian: util-linux, iproute2, openssl)"
}

run_tests() {
	echo "tollgate: $binary"
	if [ -n "${files// /}" ]; then # with no file named, node would look for tests itself
		CONFORMANCE_BINARY=$binary CHROMIUM=$chromium node --test --test-reporter=spec --test-concurrency="${CONCURRENCY:-4}" \
			--test-timeout=300000 --test-force-exit $files || status=$?
	fi
	local file
	for file in "${skipped[@]}"; do
		echo "SKIPPED: $file"
	done
	exit "$status"
}
