#!/usr/bin/env bash
# Builds the TypeScript SDK, checks its types, and runs all its tests: on virtual time, against a server of their own, and against the real one in Node and Chromium.
#
#   ./run.sh [path-to-tollgate-binary]             everything
#   ONLY=tests/client.test.mjs ./run.sh            some of it (files, separated by spaces)
#
# Without a path it takes ../../target/release/tollgate, else ../../target/debug/tollgate. It needs Node 20.16 or newer and, for the browser
# suites, Chromium at /usr/bin/chromium or $CHROMIUM. Without Chromium it says SKIPPED and fails, unless ALLOW_SKIP=1.
# The compiler and the browser's driver are installed once by `npm ci`; afterwards no network is needed.
set -euo pipefail
[ $# -eq 0 ] || set -- "$(realpath -- "$1")"
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
. ../../conformance/lib/run.sh
NPM_FLAGS="--ignore-scripts"
prepare "$@"
npm run --silent build
npm run --silent types
echo "types: every allowed use compiles, every refused one does not"
skip_impossible
run_tests
