#!/usr/bin/env bash
# Runs Hop's published packages, unmodified, against a real Tollgate server.
#
#   ./run.sh [path-to-tollgate-binary]        all suites
#   ONLY=tests/react.test.mjs ./run.sh        some of them (files, separated by spaces)
#
# Without a path it takes ../../target/release/tollgate, else ../../target/debug/tollgate. It needs Node 20 or newer and, for the
# browser suites, Chromium at /usr/bin/chromium or $CHROMIUM. Without Chromium it says SKIPPED and fails, unless ALLOW_SKIP=1.
# One suite needs a network namespace of its own; where the machine does not allow that, it says SKIPPED and goes on.
# The packages are installed once by `npm ci`; afterwards no network is needed. Where they cannot be installed it says SKIPPED.
set -euo pipefail
[ $# -eq 0 ] || set -- "$(realpath -- "$1")"
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
. ../lib/run.sh
prepare "$@"
skip_impossible
run_tests
