#!/usr/bin/env bash
# `make demo`: a mission of three agents, one of which dies and comes back, and
# an agent that reaches a model and nothing else.
# `make demo-down`: nothing of it is left.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Many people's KUBECONFIG leads to production: only CLUSTER=current uses it.
namespace=lazarus-demo
sample=config/samples/night-watch.yaml
mission=night-watch
victim=builder

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
	bold='' dim='' green='' red='' plain=''
fi
number=0
began=$EPOCHREALTIME
elapsed() { awk -v now="$EPOCHREALTIME" -v began="$began" 'BEGIN { printf "%.0f s", now - began }'; }
step() { number=$((number + 1)) && printf '\n%s%d. %s%s %s(%s)%s\n' "$bold" "$number" "$1" "$plain" "$dim" "$(elapsed)" "$plain"; }
say() { printf '   %s\n' "$@"; }
indented() { sed "s/^/     /"; }
fail() {
	printf '\n%sThe demo stopped: %s%s\n' "$red" "$1" "$plain" >&2
	[[ -z ${2:-} ]] || printf '%s\n' "$2" >&2
	exit 1
}

interrupted() {
	trap '' INT TERM
	printf '\n\nInterrupted. What runs stays as it is:\n  make demo       starts over from there\n  make demo-down  removes it all\n'
	exit 130
}
trap interrupted INT TERM

# --- which cluster

case ${CLUSTER:-lab} in
lab)
	unset KUBECONFIG
	LAB_DIR=$(realpath -m -- "${LAB_DIR:-.lab}")
	export LAB_DIR
	shown=$LAB_DIR/kubectl
	[[ $shown != "$PWD"/* ]] || shown=${shown#"$PWD"/}
	run_kubectl() { "$LAB_DIR/kubectl" "$@"; }
	;;
current)
	shown=kubectl
	command -v kubectl >/dev/null || fail "kubectl is missing: CLUSTER=current uses yours"
	context=$(kubectl config current-context) || fail "kubectl has no current context"
	server=$(kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}')
	run_kubectl() { kubectl --context "$context" "$@"; }
	;;
*) fail "CLUSTER=$CLUSTER: leave it out for the lab, or say CLUSTER=current" ;;
esac
k() { run_kubectl --namespace "$namespace" "$@"; }

confirm() {
	say "context $bold$context$plain, server $bold$server$plain" "This $1."
	[[ ${YES:-} == 1 ]] && return
	[[ -t 0 ]] || fail "nobody is there to confirm: YES=1 skips the question"
	local answer
	read -r -p "   Go on? [y/N] " answer
	[[ $answer == [yY]* ]] || fail "as you wish; nothing was changed"
}

# --- down

if [[ ${1:-} == down ]]; then
	if [[ ${CLUSTER:-lab} == lab ]]; then
		exec deploy/lab/lab.sh down
	fi
	confirm "removes the namespace $namespace; the operator stays"
	run_kubectl delete namespace "$namespace" --ignore-not-found
	say "The operator and the kinds go with: kubectl delete -f deploy/install.yaml" \
		"That ends every mission in the cluster."
	exit
fi

# --- helpers of the story

# Shows a command as a person types it, and what it prints; $said has it afterwards.
said=''
shows() {
	local code=0
	printf '   %s$ %s %s%s\n' "$dim" "$shown" "$*" "$plain"
	said=$(k "$@" 2>&1) || code=$?
	[[ -z $said ]] || indented <<<"$said"
	return "$code"
}

# Stops the demo if what was shown last is not what the story tells.
expects() {
	local words
	for words in "$@"; do
		[[ $said == *"$words"* ]] || fail "it was to say '$words'" "$said"
	done
}

# Waits up to a minute for a word in the status of the mission, or of another one.
until_it_says() {
	local path=$1 wanted=$2 mission=${3:-$mission} found='' deadline=$((SECONDS + 60))
	until [[ $found == "$wanted" ]]; do
		((SECONDS < deadline)) || fail "after a minute $path is '$found', not '$wanted'" "$(k get pods,events 2>&1)"
		sleep 0.2
		found=$(k get missioncell "$mission" -o "jsonpath={$path}" 2>/dev/null) || found='not there'
	done
}

ready='.status.conditions[?(@.type=="Ready")].reason'
of_victim() { echo ".status.agents[?(@.name==\"$victim\")].$1"; }

# shellcheck source=deploy/demo/egress.sh
source deploy/demo/egress.sh

# --- building, which is not part of the story: the first time it takes minutes

if [[ ${CLUSTER:-lab} == lab ]]; then
	deploy/check.sh
	make image
	deploy/lab/lab.sh build
	target=$(realpath -m -- "${CARGO_TARGET_DIR:-target}")
	egress_build "$target"
else
	[[ -n ${IMAGE:-} ]] || fail "CLUSTER=current needs IMAGE=REGISTRY/NAME:TAG, an image of this project that the cluster can pull"
	confirm "installs the kinds and the operator with image $IMAGE, and the namespace $namespace"
fi
began=$EPOCHREALTIME

step "A Kubernetes"
if [[ ${CLUSTER:-lab} == lab ]]; then
	deploy/lab/lab.sh up >"$LAB_DIR.log" 2>&1 || fail "the lab did not start" "$(tail -20 "$LAB_DIR.log")"
	rm -f "$LAB_DIR.log"
	say "A real one, on this machine alone: its API server, kubelet and container runtime run in $LAB_DIR."
else
	say "Yours: $context."
fi
k get nodes | indented

step "The operator"
if [[ ${CLUSTER:-lab} == lab ]]; then
	egress_manifest >"$target/demo.yaml"
	grep -qF "$way_out" "$target/demo.yaml" || fail "deploy/install.yaml has no place for the egress proxy"
	said=$(MANIFEST=$target/demo.yaml deploy/install.sh 2>&1) || fail "the operator was not installed" "$said"
else
	sed "s|image: lazarus-pit:dev|image: $IMAGE|" deploy/install.yaml |
		run_kubectl apply --server-side -f - >/dev/null
	run_kubectl --namespace lazarus-pit rollout status deployment lazarus-operator --timeout=120s >/dev/null ||
		fail "the operator did not become available"
fi
say "It runs as a pod like any other, twice: one leads, the other takes over if the first one dies."
run_kubectl --namespace lazarus-pit get pods | indented

step "A mission of three agents"
run_kubectl create namespace "$namespace" >/dev/null 2>&1 || k get serviceaccounts >/dev/null || fail "no namespace $namespace"
if [[ -n $(k get missioncell "$mission" "$recluse" --ignore-not-found -o name) ]]; then
	say "What an earlier demo left goes first, so that this story starts at its beginning."
	k delete missioncell "$mission" "$recluse" --ignore-not-found --timeout=60s >/dev/null
	k wait pods --for=delete --selector="lazarus-pit.io/cell in ($mission,$recluse)" --timeout=60s >/dev/null
fi
sed "s|image: lazarus-pit:dev|image: ${IMAGE:-lazarus-pit:dev}|" "$sample" | k apply --server-side -f - >/dev/null
say "From $sample: a captain, a builder and a watcher, who live as long as the mission." \
	"Its policy says: bring back who dies, five seconds after the first death, later after each further one."
until_it_says "$ready" AgentsAlive
shows get missioncells
shows get pods

step "One of them dies"
pod=$(k get missioncell "$mission" -o "jsonpath={$(of_victim podName)}")
say "The $victim is told to crash. Its process ends with exit code 1."
shows exec "$pod" -c agent -- /lazarus demo-agent tell crash || true
until_it_says "$(of_victim reason)" Backoff
say "${red}The $victim is dead.$plain Two of three agents are alive, and the mission says so:"
shows get missioncells
k get missioncell "$mission" -o "jsonpath={$(of_victim message)}{\"\n\"}" | sed "s/^/     $victim: /"

step "It comes back"
until_it_says "$(of_victim state)" Alive
until_it_says "$ready" AgentsAlive
say "${green}The $victim is alive again,$plain in a new pod with the next number; nobody touched the other two."
shows get missioncells
shows get pods
say "What happened, in the mission's own Events:"
shows events --for="missioncell/$mission" | tail -n +1

if [[ ${CLUSTER:-lab} == lab ]]; then
	step "One reaches a model, and nothing else"
	egress_start "$target"
	egress_mission
	until_it_says "$ready" AgentsAlive "$recluse"
	until_it_says .status.isolation.level Level3 "$recluse"
	pod=$(k get missioncell "$recluse" -o 'jsonpath={.status.agents[0].podName}')
	say "The hermit runs at Level3. A model wants a key that it does not have: a proxy adds it on the way." \
		"The operator's configuration names the proxy:" "  egressProxy: $way_out"
	shows exec "$pod" -c agent -- /lazarus demo-agent ask "$question"
	expects "you asked in 5 words; carry on"
	egress_wants_key
	egress_no_key "$pod"
	say "${green}The model answered.$plain Neither environment nor log of the hermit have the key, and its pod has no Secret." \
		"It reaches the proxy, but not the model itself, nor the API server, nor the world outside (where nothing of a lab gets):"
	api=$(run_kubectl --namespace default get service kubernetes -o 'jsonpath={.spec.clusterIP}:443')
	shows exec "$pod" -c agent -- /lazarus demo-agent reach "$proxy" "$model" "$api" 203.0.113.1:443
	expects "$proxy reached" "$model blocked" "$api blocked" "203.0.113.1:443 blocked"
	say "And through the proxy nothing but the model:"
	shows exec "$pod" -c agent -- /lazarus demo-agent ask https://elsewhere.example/ || true
	expects "the proxy refuses: 403 Forbidden"
else
	say "" "In the lab the demo goes on with an agent that reaches a model and nothing else; the proxy for that is not for your cluster."
fi

step "Over to you"
say "The mission goes on. Things to try:" ""
say "  $shown get missioncells -n $namespace -w" \
	"      watch, while in another terminal you" \
	"  $shown exec -n $namespace \$($shown get pod -n $namespace -l lazarus-pit.io/agent=captain -o name) -c agent -- /lazarus demo-agent tell crash" \
	"      kill the captain (hang instead of crash: it only looks alive)" \
	"  $shown delete pod -n $namespace -l lazarus-pit.io/agent=watcher" \
	"      take a pod away: that is no death, and costs no attempt" \
	"  $shown explain missioncell.spec.agents" \
	"      what else an agent can be told" \
	"  make demo-down" \
	"      remove all of it"
