#!/usr/bin/env bash
# `make test`: every check and test there is, in a lab of its own. The last line
# sums them up; a failed part is shown as far as it explains itself.
set -euo pipefail
# Each part is a process group of its own, so that it can be ended as a whole.
set -m
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset KUBECONFIG TESTS
target=$(realpath -m -- "${CARGO_TARGET_DIR:-target}")
logs=$target/test-logs
# Not the lab of `make lab`, in which a person may be at work.
export LAB_DIR=$target/lab-test IMAGE_ARCHIVE=$target/lazarus-pit.tar
export CARGO_TERM_COLOR=never NO_COLOR=1

passed=0 failed=0 ignored=0 ran_ignored=0
running=''
building=''

stop() {
	local job
	for job in $running $building; do
		kill -TERM -- "-$job" 2>/dev/null || true
		# Bash would report the end at some later line.
		wait "$job" 2>/dev/null || true
	done
	keep_logs
	deploy/lab/lab.sh down >"$logs/lab-down.log" 2>&1 || echo "the test lab is not down: LAB_DIR=$LAB_DIR make lab-down" >&2
}
interrupted() {
	trap '' INT TERM HUP
	echo "interrupted; removing the test lab" >&2
	exit 130
}
keep_logs() {
	[[ -x $LAB_DIR/kubectl ]] || return 0
	timeout 20 "$LAB_DIR/kubectl" logs --namespace lazarus-pit --selector=app.kubernetes.io/component=operator \
		--prefix --tail=-1 >"$logs/operator.log" 2>&1 || true
	cp -r "$LAB_DIR/logs" "$logs/lab" 2>/dev/null || true
}

# Cargo's and Go's own words for what they ran.
count() {
	awk '
		/^test result: / { passed += $4; failed += $6; ignored += $8 }
		/^--- PASS: / { passed++ }
		/^--- FAIL: / { failed++ }
		/^--- SKIP: / { ignored++ }
		END { print passed + 0, failed + 0, ignored + 0 }
	' "$1"
}

time_of() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

# part NAME COMMAND...: runs it with its output in a log, and counts the tests in
# it; what has no tests is one check.
part() {
	local name=$1 began=$SECONDS code=0 log one_passed one_failed one_ignored
	shift
	log=$logs/${name// /-}.log
	"$@" >"$log" 2>&1 </dev/null &
	running=$!
	wait "$running" || code=$?
	running=''
	read -r one_passed one_failed one_ignored < <(count "$log")
	if ((one_passed + one_failed == 0)); then
		((code != 0)) || one_passed=1
	fi
	# Not built, crashed, or killed: something failed, whatever the tests say.
	((code == 0 || one_failed > 0)) || one_failed=1
	passed=$((passed + one_passed))
	failed=$((failed + one_failed))
	if [[ $name == e2e* ]]; then
		ran_ignored=$((ran_ignored + one_passed + one_failed))
	else
		ignored=$((ignored + one_ignored))
	fi
	if ((code == 0)); then
		printf 'ok    %-16s %5d passed   %s\n' "$name" "$one_passed" "$(time_of $((SECONDS - began)))"
		return 0
	fi
	printf 'FAIL  %-16s %5d passed, %d failed   %s\n' "$name" "$one_passed" "$one_failed" "$(time_of $((SECONDS - began)))"
	printf '      all of it: %s\n' "$log"
	# What is said first says most; the line after a panic tells what was found.
	{ grep -nE -A 2 '^(error|---- .* stdout|--- FAIL|thread .* panicked|not within)' "$log" || true; } \
		| head -40 | cut -c1-400 | sed 's/^/      /'
	tail -n 30 "$log" | cut -c1-400 | sed 's/^/      | /'
	return 1
}

rm -rf "$logs"
mkdir -p "$logs"
deploy/check.sh
trap stop EXIT
trap interrupted INT TERM HUP
# What an earlier run may have left.
deploy/lab/lab.sh down >"$logs/lab-down.log" 2>&1

# On a new machine the lab takes minutes to build. It does so beside the rest,
# which has its own pauses: downloads, and crates that only one core can work on.
nice -n 5 deploy/lab/lab.sh build >"$logs/lab-build.log" 2>&1 </dev/null &
building=$!

part format make fmt || true
part clippy make clippy || true
part docs make doc || true
part vet make vet || true
part unit make unit-rust || true
part 'unit go' make unit-go || true

ready=yes
part image make image || ready=''
wait_for_build() {
	local code=0
	wait "$building" || code=$?
	building=''
	return "$code"
}
if [[ -n $ready ]] && ! wait_for_build; then
	ready=''
	failed=$((failed + 1))
	printf 'FAIL  lab build   all of it: %s\n' "$logs/lab-build.log"
	tail -n 30 "$logs/lab-build.log" | sed 's/^/      | /'
fi
if [[ -n $ready ]]; then
	{ part 'lab up' make lab && part install deploy/install.sh; } || ready=''
fi
if [[ -n $ready ]]; then
	part 'e2e admission' make e2e-admission || true
	part 'e2e lab' make e2e-lab || true
	part 'e2e replay' make e2e-replay || true
	part 'e2e operator' make e2e-operator || true
	part 'e2e node' make e2e-node || true
	part 'e2e rights' make e2e-rights || true
	part 'e2e network' make e2e-network || true
	part probes make probes || true
	part demo make demo || true
fi

# Tests that the unit run left out, and nothing ran later.
skipped=$((ignored > ran_ignored ? ignored - ran_ignored : 0))
trap '' INT TERM HUP
trap - EXIT
stop
printf '%d passed, %d failed, %d skipped in %s\n' "$passed" "$failed" "$skipped" "$(time_of "$SECONDS")"
((failed == 0 && skipped == 0))
