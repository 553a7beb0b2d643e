#!/usr/bin/env bash
# Runs social.plus's published packages, unmodified, against a real Tollgate server.
#
#   ./run.sh [path-to-tollgate-binary]                 all suites
#   ONLY=tests/node-react-native.test.mjs ./run.sh     some of them (files, separated by spaces)
#
# Without a path it takes ../../target/release/tollgate, else ../../target/debug/tollgate. It needs Node 20 or newer, openssl and, for the
# browser suites, Chromium at /usr/bin/chromium or $CHROMIUM. Without Chromium it says SKIPPED and fails, unless ALLOW_SKIP=1.
# One suite needs a network namespace of its own; where the machine does not allow that, it says SKIPPED and goes on.
# The packages are installed once by `npm ci`; afterwards no network is needed. Where they cannot be installed it says SKIPPED.
set -euo pipefail
[ $# -eq 0 ] || set -- "$(realpath -- "$1")"
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
. ../lib/run.sh
# React Native itself stays out (agents/platform.cjs stands in for it), and no package runs a script when it is installed.
NPM_FLAGS="--legacy-peer-deps --ignore-scripts"
prepare "$@"
skip_impossible

# The private CA and the certificate that the page tells its reader to make, by the lines of that page.
certificates=$(mktemp -d)
trap 'rm -rf -- "$certificates"' EXIT
awk '/^```/ { on = 0 } /^# certificates\.sh$/ { on = 1 } on' ../../docs/compatibility/socialplus.md >"$certificates/certificates.sh"
(cd -- "$certificates" && sh -e certificates.sh) >"$certificates/log" 2>&1 || { cat "$certificates/log" && exit 1; }
export CERTIFICATES=$certificates NODE_EXTRA_CA_CERTS=$certificates/ca.pem
run_tests
