package parts

import "lazarus-pit.io/lab/internal/place"

// kubeProxy serves every node: they share the tree's one network.
func kubeProxy() Part {
	return Part{
		Name:    "kube-proxy",
		After:   []string{"apiserver"},
		Program: "kube-proxy",
		Args: []string{
			"--kubeconfig=" + place.In("config", "kube-proxy.kubeconfig"),
			"--hostname-override=" + place.Node{Number: 1}.Name(),
			"--proxy-mode=nftables",
			"--cluster-cidr=" + place.PodRange,
			"--healthz-bind-address=127.0.0.1:10256",
			"--metrics-bind-address=127.0.0.1:10249",
			// The machine's conntrack settings are not ours to change.
			"--conntrack-max-per-core=0",
			"--conntrack-min=0",
			"--conntrack-tcp-timeout-established=0s",
			"--conntrack-tcp-timeout-close-wait=0s",
		},
		Ready: answers(localHealth, "http://127.0.0.1:10256/livez"),
	}
}
