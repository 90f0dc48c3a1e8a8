#!/usr/bin/env bash
# Decides again what the operator in the lab has decided, from its own log: the same must come out each time.
set -euo pipefail
cd "$(dirname "$0")/.."
export LAB_DIR=${LAB_DIR:-.lab}
program=${1:?"usage: deploy/replay.sh PROGRAM"}

"$LAB_DIR/kubectl" -n lazarus-pit logs deploy/lazarus-operator --all-pods=true --tail=-1 |
	sed 's/^\[[^]]*\] //' |
	"$program" simulate --replay - |
	tee /dev/stderr |
	grep -Eq '^[1-9][0-9]* identical, 0 different, .* 0 broken,' || {
	echo "the operator's log does not replay: see above" >&2
	exit 1
}
