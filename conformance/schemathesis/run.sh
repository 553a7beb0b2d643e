#!/usr/bin/env bash
# Schemathesis: what /v2/openapi.json promises, held against a running server with generated requests, every check and stateful
# sequences. Two projects' keys are peers: neither may see what the other made.
#
# Needs Python 3 with venv; builds its own virtual environment under target/. $TOLLGATE_BIN: a server that is built already.
# Exit codes: 0 all passed, 1 something failed, 77 skipped because there is no Python. The last line is the result.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/schemathesis
release=4.32.5
seconds=${SECONDS_MAX:-60}

if ! command -v python3 >/dev/null || ! python3 -c 'import venv, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "########################################################################"
    echo "SKIPPED: schemathesis: no Python 3.10 with venv on this machine"
    echo "########################################################################"
    exit 77
fi
if [ "$(cat "$work/stamp" 2>/dev/null || true)" != "$release" ]; then
    rm -rf "$work/python"
    mkdir -p "$work"
    python3 -m venv "$work/python"
    "$work/python/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$release"
    echo "$release" >"$work/stamp"
fi
binary=${TOLLGATE_BIN:-}
if [ -z "$binary" ]; then
    (cd "$root" && cargo build --quiet --release --package tollgate-server)
    binary=${CARGO_TARGET_DIR:-$root/target}/release/tollgate
fi
# The server takes every TOLLGATE_… for a setting.
unset TOLLGATE_BIN

run=$(mktemp -d "$work/run.XXXXXX")
data=$run/data
# Limits are held by tests of their own; here every request is to be answered by what it asks for.
"$binary" serve --data-dir "$data" --listen 127.0.0.1:0 --announce json >"$run/announced" 2>"$run/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$run"' EXIT
for _ in $(seq 400); do grep -q "}" "$run/announced" 2>/dev/null && break; sleep 0.05; done
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }
address=$(field "$run/announced" listen)
alice=$(field "$run/announced" key)
"$binary" project create --data-dir "$data" --name second --json >"$run/second"
bob=$(field "$run/second" key)

cat >"$run/auth.yaml" <<AUTH
auth:
  - name: alice
    fixedHeaders:
      - name: Authorization
        value: "Bearer $alice"
  - name: bob
    fixedHeaders:
      - name: Authorization
        value: "Bearer $bob"
AUTH
cat >"$run/schemathesis.toml" <<CONFIG
[auth.wfc]
path = "$run/auth.yaml"
user = "alice"
peers = ["alice", "bob"]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429, 431]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 410, 412, 422, 429, 431]
CONFIG
# What a token does for itself, in a run of its own with two tokens of two projects as peers: revoking itself is left out, since it would
# end the run.
minted() { # the key, the id of a channel
    curl --silent --fail-with-body -X PUT "http://$address/v1/channels/$2" -H "Authorization: $1" -H 'Content-Type: application/json' \
        -d '{"type":"private","state":{"topic":"none"}}' >/dev/null
    curl --silent --fail-with-body "http://$address/v2/tokens" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
        -d "{\"user_id\":\"u\",\"channels\":[\"$2\"],\"capabilities\":[{\"channels\":\"*\",\"operations\":[\"subscribe\",\"publish\",\"history\",\"state.read\",\"state.write\"]}]}" >"$run/token"
    field "$run/token" secret
}
alice_token=$(minted "$alice" room)
bob_token=$(minted "$bob" hall)
sed -e "s|$alice|$alice_token|" -e "s|$bob|$bob_token|" "$run/auth.yaml" >"$run/tokens.yaml"
sed -e "s|$run/auth.yaml|$run/tokens.yaml|" "$run/schemathesis.toml" >"$run/tokens.toml"
cat >>"$run/tokens.toml" <<CONFIG

[[operations]]
include-operation-id = "revokeMe"
enabled = false
CONFIG
own=$("$binary" key list --data-dir "$data" --json | python3 -c 'import json, sys; print(*[one["id"] for one in json.load(sys.stdin)])')

cd "$run"
tool() { # the name of the run, its configuration, its seconds, and more arguments
    local name=$1 config=$2 limit=$3 status=0
    shift 3
    PROBED="$run/$name.probed" OWN_KEYS="$own" SCHEMATHESIS_HOOKS=hooks PYTHONPATH="$here" \
        "$work/python/bin/schemathesis" --config-file "$config" run "http://$address/v2/openapi.json" \
        --checks all --phases examples,coverage,fuzzing,stateful --max-time "$limit" --seed 1 --no-color --suppress-health-check all \
        "$@" >"$run/$name.report" 2>&1 || status=$?
    if ! kill -0 "$server" 2>/dev/null; then
        echo "the server ended:"; tail -20 "$run/log"; status=1
    fi
    # Without peers the object-level check does not run, and all that is seen of it is a warning, if that.
    if grep -qiE '(object_level_authorization|peers?).*(will not|not run|inactive)' "$run/$name.report"; then
        echo "schemathesis: the peers were not active"; status=1
    fi
    # A token names itself by `me`: there is nothing of its own that a peer could ask for.
    if [ "$name" = keys ] && [ ! -s "$run/$name.probed" ]; then
        echo "schemathesis: nothing was asked for as a peer"; status=1
    fi
    if [ "$status" -ne 0 ]; then
        cat "$run/$name.report"
        echo "schemathesis: FAILED ($name)"
        exit 1
    fi
    sed -n '/= SUMMARY =/,$p' "$run/$name.report"
    echo "asked for as a peer too:"
    sed 's/^/  /' "$run/$name.probed" 2>/dev/null || true
    tested=$(sed -n 's/^ *Tested: *\([0-9]*\).*/\1/p' "$run/$name.report" | tail -1)
    if [ -z "$tested" ] || ! grep -qE "^ *Selected: *$tested/" "$run/$name.report"; then
        echo "schemathesis: not every operation was tested"
        exit 1
    fi
}

# The tokens first: the run with keys revokes whatever there is.
tool tokens "$run/tokens.toml" $((seconds / 3)) --include-path-regex '^/v2/(me|channels)(/|$)'
tool keys "$run/schemathesis.toml" "$seconds"
echo "schemathesis: $tested passed, 0 failed"
