#!/usr/bin/env bash
# Runs Hop's published packages, unmodified, against a real Tollgate server.
#
#   ./run.sh [path-to-tollgate-binary]        all suites
#   ONLY=tests/react.test.mjs ./run.sh        some of them (files, separated by spaces)
#
# Without a path it takes ../../target/release/tollgate, else ../../target/debug/tollgate. It needs Node 20 or newer and, for the
# browser suites, Chromium at /usr/bin/chromium or $CHROMIUM. Without Chromium it says SKIPPED and fails, unless ALLOW_SKIP=1.
# One suite needs a network namespace of its own; where the machine does not allow that, it says SKIPPED and goes on.
# The packages are installed once by `npm ci`; afterwards no network is needed.
set -euo pipefail
[ $# -gt 0 ] && binary=$(realpath -- "$1") || binary=
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

if [ -z "$binary" ]; then
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
stamp=node_modules/.installed-lock
if ! cmp -s package-lock.json "$stamp"; then
	npm ci --no-audit --no-fund
	cp package-lock.json "$stamp"
fi

files=${ONLY:-$(ls tests/*.test.*js)}
skipped=()

# skip WORD REASON: leaves out the files with this word in their name.
skip() {
	local kept= file
	for file in $files; do
		if [[ $file == *$1* ]]; then skipped+=("$file: $2"); else kept="$kept $file"; fi
	done
	files=$kept
}

status=0
chromium=${CHROMIUM:-/usr/bin/chromium}
if [ ! -x "$chromium" ]; then
	skip chromium "no Chromium at $chromium (Debian: apt-get install chromium, or set CHROMIUM)"
	[ ${#skipped[@]} -eq 0 ] || [ "${ALLOW_SKIP:-}" = 1 ] || status=1
fi
{ unshare --map-root-user --net --mount ip link set lo up && openssl version; } >/dev/null 2>&1 ||
	skip namespace "needs Linux with user namespaces, and unshare, ip and openssl (Debian: util-linux, iproute2, openssl)"

echo "tollgate: $binary"
if [ -n "${files// /}" ]; then # with no file named, node would look for tests itself
	CONFORMANCE_BINARY=$binary CHROMIUM=$chromium node --test --test-reporter=spec --test-concurrency=4 \
		--test-timeout=300000 --test-force-exit $files || status=$?
fi

for file in "${skipped[@]}"; do
	echo "SKIPPED: $file"
done
exit "$status"
