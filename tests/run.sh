#!/bin/bash
# All tests: builds what it needs, runs every stage, and ends with a line "N passed, N failed".
#
#   tests/run.sh                     everything but the large sizes, in about eleven minutes on two cores
#   tests/run.sh --only STAGE[,…]    unit | script | system | fuzz | tsan | quickstart | format
#   tests/run.sh --fuzz SECONDS      the fuzzers alone, so long each (tests/fuzz/run.sh)
#   tests/run.sh --long              the large sizes as well
#   tests/run.sh --suites            PostgreSQL's own suites instead (tests/suites.sh); half an hour and more
#
# The exit code is 0 only when nothing failed. A stage that fails shows the end of its log; all logs are
# in build/logs/.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

only=all long=() fuzz=0
while (($#)); do
    case $1 in
    --only) only=${2:?a stage}; shift ;;
    --long) long=(--long) ;;
    --suites) only=suites ;;
    --fuzz) only=fuzz fuzz=${2:?seconds}; shift ;;
    --help | -h) sed -n '2,/^set/{/^# \{0,1\}/s///p}' "$0"; exit 0 ;;
    *) echo "run.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
    esac
    shift
done
for stage in ${only//,/ }; do
    [[ $stage =~ ^(all|unit|script|system|fuzz|tsan|quickstart|format|suites)$ ]] ||
        { echo "run.sh: no stage is called $stage (try --help)" >&2; exit 2; }
done

passed=0 failed=0 logs=build/logs
mkdir -p "$logs"
command -v ccache >/dev/null && export CMAKE_C_COMPILER_LAUNCHER=ccache
cores=$(nproc)

wanted() { [[ $only = all || ,$only, = *,$1,* ]]; }

# stage NAME WHAT COMMAND …: one line. The command counts as one test unless its log says how many passed.
stage() {
    local name=$1 what=$2 log=$logs/$1.log began=$SECONDS code good bad
    shift 2
    printf '%-12s %-52s ' "$name" "$what"
    "$@" >"$log" 2>&1 </dev/null
    code=$?
    read -r good bad < <(count "$log")
    if ((good + bad == 0)); then
        good=$((code == 0)) bad=$((code != 0))
    elif ((code != 0 && bad == 0)); then
        bad=1 # it broke without naming a test
    fi
    passed=$((passed + good)) failed=$((failed + bad))
    printf '%4d passed %3d failed %5d s\n' "$good" "$bad" $((SECONDS - began))
    ((bad == 0)) || { echo "--- the end of $log:"; tail -n 60 "$log"; echo '---'; }
    return $((bad != 0))
}

count() { # LOG: how many tests passed and failed, as ctest or pytest said
    awk '/tests passed, [0-9]+ tests failed out of [0-9]+/ { bad = $4; good = $NF - bad }
         /^(=+ )?([0-9]+ (passed|failed|errors?|skipped|deselected|warnings?)(, )?)+ in / {
             for (i = 2; i <= NF; i++) {
                 if ($i ~ /^passed/) good = $(i - 1)
                 if ($i ~ /^(failed|error)/) bad += $(i - 1)
             }
         }
         END { print good + 0, bad + 0 }' "$1"
}

build() { # FOLDER SANITIZERS TARGET …
    local settings=()
    [[ -z $2 ]] || settings=(-DCMAKE_BUILD_TYPE=Debug "-DSANITIZE=$2")
    cmake -G Ninja -B "$1" "${settings[@]}" && cmake --build "$1" -j "$cores" --target "${@:3}"
}

unit() { (cd "$1" && ctest -j "$cores" --output-on-failure); }

pytests() { # BINARY WHAT …
    PGREHEARSE=$1 /usr/bin/python3 -m pytest -c tests/pytest.ini -n $((cores + 1)) --dist loadfile "${@:2}"
}

formatted() {
    git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 --dry-run --Werror
}

stage install 'packages' config/install.sh --tests || exit 1
! wanted format || stage format 'clang-format has nothing to say' formatted

if wanted unit || wanted script || wanted system; then
    stage debug 'builds with ASan and UBSan' build build/debug address,undefined all unit || exit 1
fi
! wanted unit || stage unit 'unit tests with ASan and UBSan' unit build/debug
! wanted script || [[ -z $(ls tests/script/test_*.py 2>/dev/null) ]] ||
    stage script 'scripted peers' pytests "$PWD/build/debug/pgrehearse" tests/script
! wanted system ||
    stage system 'real clusters' pytests "$PWD/build/debug/pgrehearse" "${long[@]}" tests/system

if wanted tsan; then
    stage tsan 'builds with TSan' build build/tsan thread pgrehearse &&
        stage races 'TSan is silent under load, faults and the canary' pytests "$PWD/build/tsan/pgrehearse" \
            tests/system -m races
fi
if wanted quickstart; then
    stage release 'builds for release' build build '' pgrehearse &&
        PGREHEARSE=build/pgrehearse stage quickstart 'finds just the three planted faults' config/quickstart.sh --once
fi

if [[ ,$only, = *,fuzz,* ]]; then
    stage fuzz 'fuzzers find nothing' tests/fuzz/run.sh "$fuzz"
fi
if [[ ,$only, = *,suites,* ]]; then
    stage suites "PostgreSQL's suites, direct and through the proxy" tests/suites.sh
    sed -n '/^suite /,$p' "$logs/suites.log"
fi

echo "$passed passed, $failed failed"
((failed == 0))
