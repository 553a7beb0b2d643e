#!/usr/bin/env bash
# Runs the console in headless Chromium, against a real Tollgate server, and leaves screenshots in ../../target/console-shots.
#
#   ./run.sh [path-to-tollgate-binary]                    all suites
#   ONLY=tests/chromium-story.test.mjs ./run.sh           some of them (files, separated by spaces)
#
# Without a path it takes ../../target/release/tollgate, else ../../target/debug/tollgate. It needs Node 20 or newer and Chromium at
# /usr/bin/chromium or $CHROMIUM. Without Chromium it says SKIPPED and fails, unless ALLOW_SKIP=1.
# The packages are installed once by `npm ci`; afterwards no network is needed. Where they cannot be installed it says SKIPPED.
set -euo pipefail
[ $# -eq 0 ] || set -- "$(realpath -- "$1")"
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
. ../lib/run.sh
CONCURRENCY=${CONCURRENCY:-2}
prepare "$@"
skip_impossible
run_tests
