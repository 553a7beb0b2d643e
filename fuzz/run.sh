#!/usr/bin/env bash
# Runs every fuzz target for some seconds each (10 by default) on the stable toolchain: fuzz/run.sh [SECONDS [TARGET…]]
# Needs cargo-fuzz (cargo install cargo-fuzz --locked). What it finds beyond the committed corpus goes to fuzz/target/corpus.
# Exit codes: 0 nothing found, 1 a crash (its input is kept in fuzz/artifacts), 77 skipped because cargo-fuzz is missing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-10}
shift || true
[ $# -gt 0 ] || set -- frame_codec jwt leap_dialect native_dialect token_parser

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "SKIPPED: fuzz: cargo-fuzz is not installed (cargo install cargo-fuzz --locked)"
    exit 77
fi
passed=0
failed=0
for target in "$@"; do
    mkdir -p "fuzz/target/corpus/$target"
    # No sanitizer: the crates forbid unsafe code. RUSTC_BOOTSTRAP lets the stable compiler take cargo-fuzz's instrumentation flags.
    if RUSTC_BOOTSTRAP=1 cargo fuzz run "$target" -s none "fuzz/target/corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 >"fuzz/target/$target.log" 2>&1; then
        echo "fuzz: $target: $(grep -o 'number_of_executed_units: *[0-9]*' "fuzz/target/$target.log" | grep -o '[0-9]*$') inputs, no crash"
        passed=$((passed + 1))
    else
        tail -n 30 "fuzz/target/$target.log"
        echo "fuzz: $target: FAILED"
        failed=$((failed + 1))
    fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" = 0 ]
