#!/usr/bin/env bash
# Puts the image of this working tree and the operator into a running lab, and
# waits until the operator is available. MANIFEST is another one than
# deploy/install.yaml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
LAB_DIR=$(realpath -m -- "${LAB_DIR:-.lab}")
export LAB_DIR
archive=${IMAGE_ARCHIVE:-${CARGO_TARGET_DIR:-target}/lazarus-pit.tar}
kubectl() { "$LAB_DIR/kubectl" "$@"; }
operator() { kubectl --namespace lazarus-pit "$@"; }

[[ -x $LAB_DIR/kubectl ]] || { echo "no lab runs in $LAB_DIR: make lab" >&2; exit 1; }
[[ -f $archive ]] || { echo "there is no image $archive: make image" >&2; exit 1; }
loaded=$(deploy/lab/lab.sh load "$archive")
digest=$(grep -o 'sha256:[0-9a-f]*' <<<"$loaded" | head -1)
before=$(operator get deployment lazarus-operator --ignore-not-found -o "jsonpath={.metadata.annotations.image-digest}")
kubectl apply --server-side --force-conflicts -f "${MANIFEST:-deploy/install.yaml}" >/dev/null
# The image has the same name each time: Kubernetes can't see that it changed.
if [[ -n $before && $before != "$digest" ]]; then
	operator rollout restart deployment lazarus-operator >/dev/null
fi
operator annotate deployment lazarus-operator --overwrite "image-digest=$digest" >/dev/null
operator rollout status deployment lazarus-operator --timeout=180s >/dev/null || {
	operator get pods >&2
	operator logs --selector=app.kubernetes.io/component=operator --tail=20 --prefix >&2 || true
	echo "the operator did not become available" >&2
	exit 1
}
echo "the operator runs in the lab, image $digest"
