#!/usr/bin/env bash
# Autobahn|Testsuite: the 301 base cases against the gateway's echo example, strictly: anything but OK or INFORMATIONAL fails.
#
# Needs CPython 2.7 (the suite runs on nothing newer) and Python 3 with venv; builds its own virtual environment under target/.
# Exit codes: 0 all passed, 1 something failed, 77 skipped because no CPython 2.7 exists here. The last line is the result.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/autobahn
suite=25.10.1

# A CPython 2.7 that works; a version manager's shim may be on the PATH and not.
find_python2() {
    local candidate
    for candidate in "${PYTHON2:-}" python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7 /usr/local/bin/python2.7 /opt/python2.7/bin/python2.7; do
        [ -n "$candidate" ] || continue
        candidate=$(command -v "$candidate" 2>/dev/null) || continue
        if "$candidate" -c 'import platform, sys; sys.exit(sys.version_info[:2] != (2, 7) or platform.python_implementation() != "CPython")' >/dev/null 2>&1; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}

skip() {
    echo "########################################################################"
    echo "SKIPPED: autobahn: $1"
    echo "########################################################################"
    exit 77
}

python2=$(find_python2) || skip "no CPython 2.7 on this machine (set PYTHON2 to one); the WebSocket conformance suite did not run"
command -v python3 >/dev/null || skip "no Python 3 to build the virtual environment with"

# The environment is built once for each interpreter and version of the suite.
stamp="$suite $python2"
if [ "$(cat "$work/stamp" 2>/dev/null || true)" != "$stamp" ]; then
    rm -rf "$work/builder" "$work/python" "$work/stamp"
    mkdir -p "$work"
    python3 -m venv "$work/builder"
    "$work/builder/bin/pip" install --quiet --disable-pip-version-check 'virtualenv<20.22'
    "$work/builder/bin/virtualenv" --quiet --python "$python2" "$work/python"
    "$work/python/bin/pip" install --quiet --disable-pip-version-check "autobahntestsuite==$suite" 2> >(grep -v DEPRECATION >&2)
    echo "$stamp" >"$work/stamp"
fi

# $ECHO_SERVER: one that is built already.
if [ -z "${ECHO_SERVER:-}" ]; then
    (cd "$root" && cargo build --quiet --release --package tollgate-gateway --example echo)
    ECHO_SERVER=${CARGO_TARGET_DIR:-$root/target}/release/examples/echo
fi
echo_server=$ECHO_SERVER

# The server ends when its standard input does.
coproc SERVER { exec "$echo_server" 127.0.0.1:0; }
server_pid=$SERVER_PID
trap 'kill "$server_pid" 2>/dev/null || true' EXIT
read -r -u "${SERVER[0]}" -t 20 word address || { echo "autobahn: the echo server did not start"; exit 1; }
[ "$word" = listening ] || { echo "autobahn: unexpected first line: $word $address"; exit 1; }

rm -rf "$work/reports"
python3 "$here/suite.py" spec "$address" "$work/reports" >"$work/spec.json"
(cd "$work" && timeout 300 "$work/python/bin/wstest" -m fuzzingclient -s "$work/spec.json" >"$work/wstest.log" 2>&1) || {
    tail -n 20 "$work/wstest.log"
    echo "autobahn: the suite itself failed"
    exit 1
}
python3 "$here/suite.py" judge "$work/reports/index.json"
