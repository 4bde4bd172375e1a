#!/bin/bash
# The fuzzers: builds them with clang and ASan, and runs each over its corpus.
#
#   tests/fuzz/run.sh                replays the corpus, in about a minute with the build at hand
#   tests/fuzz/run.sh 180            looks for more, 180 seconds each
#   tests/fuzz/run.sh 180 frame …    these alone
#
# What is new goes to build/fuzz/corpus/NAME; an input that fails, to build/fuzz/NAME-crash-…
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2
seconds=${1:-0}
[[ $seconds =~ ^[0-9]+$ ]] || { sed -n '2,/^set/{/^# \{0,1\}/s///p}' "$0"; exit 2; }
shift || true

names=("$@")
((${#names[@]})) || for source in tests/fuzz/fuzz_*.c; do
    source=${source##*/fuzz_}
    names+=("${source%.c}")
done
command -v ccache >/dev/null && export CMAKE_C_COMPILER_LAUNCHER=ccache
cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang-14 -DFUZZERS=ON \
    -DSANITIZE=address,undefined >/dev/null &&
    cmake --build build/fuzz -j "$(nproc)" --target "${names[@]/#/fuzz_}" || exit 1

failed=0
for name in "${names[@]}"; do
    corpus=tests/fuzz/corpus/$name log=build/fuzz/$name.log
    if ((seconds)); then
        mkdir -p "build/fuzz/corpus/$name"
        nice "build/fuzz/tests/fuzz_$name" -max_total_time="$seconds" -timeout=25 -artifact_prefix="build/fuzz/$name-" \
            "build/fuzz/corpus/$name" "$corpus" >"$log" 2>&1
    else
        "build/fuzz/tests/fuzz_$name" -runs=0 -artifact_prefix="build/fuzz/$name-" "$corpus" >"$log" 2>&1
    fi
    code=$?
    ((code == 0)) && echo "$name: fine" || { echo "$name: FAILED"; tail -n 30 "$log"; failed=$((failed + 1)); }
done
echo "====== $((${#names[@]} - failed)) passed, $failed failed in $SECONDS s ======"
((failed == 0))
