package parts

import (
	"fmt"

	"lazarus-pit.io/lab/internal/place"
)

func controllerManager(lab place.Lab) Part {
	return Part{
		Name:    "controller-manager",
		After:   []string{"apiserver"},
		Program: "kube-controller-manager",
		Args: []string{
			"--kubeconfig=" + place.In("config", "controller-manager.kubeconfig"),
			"--bind-address=127.0.0.1",
			"--use-service-account-credentials=true",
			"--service-account-private-key-file=" + place.In("certs", "service-account.key"),
			"--root-ca-file=" + place.In("certs", "ca.crt"),
			"--cluster-signing-cert-file=" + place.In("certs", "ca.crt"),
			"--cluster-signing-key-file=" + place.In("certs", "ca.key"),
			// One copy: an election would only make its restart slower.
			"--leader-elect=false",
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
			"--concurrent-gc-syncs=30",
			fmt.Sprintf("--node-monitor-grace-period=%ds", lab.NodeGrace()),
			"--node-monitor-period=2s",
			// The default lies in the machine's /usr, and would be made there.
			"--flex-volume-plugin-dir=/run/volume-plugins",
			"--profiling=false",
		},
		Ready: answers(localHealth, "https://127.0.0.1:10257/healthz"),
	}
}
