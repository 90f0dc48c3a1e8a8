# For deploy/demo.sh: what an agent needs to reach a model and nothing else, in
# the lab. The functions say what went wrong, and nothing otherwise.
# shellcheck shell=bash

# Namespace of the proxy and the model, and their addresses in egress.yaml.
egress=lazarus-demo-egress
proxy=10.96.0.80:3128
model=10.96.0.81:443
question=https://model.example/v1/completions
# The value of isolation.egressProxy in the operator's configuration.
way_out="{namespaceSelector: {kubernetes.io/metadata.name: $egress}, podSelector: {app: proxy}, port: 3128, url: \"http://$proxy\"}"
recluse=hermitage

in_egress() { run_kubectl --namespace "$egress" "$@"; }
quietly() {
	local said
	said=$("$@" 2>&1) || fail "$* failed" "$said"
}
# Replaces or makes what is on standard input.
put() { quietly run_kubectl "$@" apply --server-side --force-conflicts -f -; }

# egress_build FOLDER: the program and its image.
egress_build() {
	local folder=$1
	(cd deploy/demo/egress && CGO_ENABLED=0 GOFLAGS=-trimpath go build -buildvcs=false -o "$folder/egress" .)
	deploy/lab/lab.sh image "$folder/egress" "$folder/egress.tar" --tag lazarus-pit-egress:dev --path /egress
}

# The operator's manifest, with a configuration that names the proxy. It is read
# at start: another checksum is what starts the operator anew.
egress_manifest() {
	local checksum
	checksum=$(cksum <<<"$way_out" | cut -d' ' -f1)
	sed "s|egressProxy: null|egressProxy: $way_out|; s|checksum/config: .*|&-$checksum|" deploy/install.yaml
}

# egress_start FOLDER: the model and the proxy, with credentials that are made once.
egress_start() {
	local folder=$1 loaded digest each name
	loaded=$(deploy/lab/lab.sh load "$folder/egress.tar" 2>&1) || fail "the proxy's image was not loaded" "$loaded"
	digest=$(grep -o 'sha256:[0-9a-f]*' <<<"$loaded" | head -1)
	name="{apiVersion: v1, kind: Namespace, metadata: {name: $egress}}"
	put <<<"$name"
	if ! in_egress get secret model proxy >/dev/null 2>&1; then
		rm -rf "$folder/egress.credentials" && mkdir -m 700 "$folder/egress.credentials"
		quietly "$folder/egress" credentials "$folder/egress.credentials" model.example
		egress_secret model key model.crt model.key
		egress_secret proxy key model.crt authority.crt authority.key
		rm -r "$folder/egress.credentials"
		# Those of an earlier one are worth nothing now.
		quietly in_egress delete pods --all
	fi
	sed "s|image: lazarus-pit-egress:dev|image: lazarus-pit-egress@$digest|" deploy/demo/egress.yaml | put
	for each in model proxy; do
		quietly in_egress rollout status deployment "$each" --timeout=60s
	done
}

# egress_secret NAME FILE...
egress_secret() {
	local name=$1 file arguments=()
	for file in "${@:2}"; do
		arguments+=("--from-file=$folder/egress.credentials/$file")
	done
	in_egress create secret generic "$name" "${arguments[@]}" --dry-run=client -o yaml | put
}

# egress_mission: the agent, which gets to know whom to trust.
egress_mission() {
	local authority digest
	authority=$(in_egress get secret proxy -o 'jsonpath={.data.authority\.crt}' | base64 -d)
	k create configmap egress-authority --from-literal="authority.crt=$authority" --dry-run=client -o yaml | put
	digest=$(run_kubectl --namespace lazarus-pit get deployment lazarus-operator -o 'jsonpath={.metadata.annotations.image-digest}')
	sed "s|image: lazarus-pit:dev|image: lazarus-pit@$digest|" deploy/demo/hermitage.yaml | put --namespace "$namespace"
}

# egress_no_key POD: neither Secrets nor the key are in what the agent has.
egress_no_key() {
	local pod=$1 key manifest everything
	key=$(in_egress get secret proxy -o 'jsonpath={.data.key}' | base64 -d)
	[[ ${#key} -gt 20 ]] || fail "the proxy has no key"
	manifest=$(k get pod "$pod" -o json)
	[[ $manifest != *'"secret'* ]] || fail "the agent's pod names a Secret" "$manifest"
	everything=$manifest$(k logs "$pod" -c agent)$(k get configmap egress-authority -o yaml)
	everything+=$(k exec "$pod" -c agent -- /lazarus demo-agent show /proc/1/environ | tr '\0' '\n')
	[[ $everything == *"HTTPS_PROXY=http://$proxy"* ]] || fail "the agent does not know the proxy" "$everything"
	[[ $everything != *"$key"* ]] || fail "the agent has the key"
}

# How many have been refused by the model for want of the key.
refusals() { in_egress logs deployment/model | awk '/401 no answer without the key/ { count++ } END { print count + 0 }'; }

# egress_wants_key: the model refuses who has none. The API server gets past the
# NetworkPolicies, as it is no pod; kubectl takes the answer for its own, so the
# model's word counts, and only a new one: its log is older than this demo.
egress_wants_key() {
	local said before now deadline=$((SECONDS + 60)) path=/api/v1/namespaces/$egress/services/https:model:443/proxy/v1/completions
	before=$(refusals) || fail "the model's log can't be read"
	said=$(run_kubectl create --raw "$path" -f - 2>&1 <<<'{"prompt": "who am I?"}') && fail "the model answers without the key" "$said"
	until now=$(refusals) && ((now > before)); do
		((SECONDS < deadline)) || fail "the model did not refuse who has no key" "$said"$'\n'"$(in_egress logs deployment/model 2>&1)"
		sleep 0.2
	done
}
