package parts

import (
	"context"
	"fmt"

	"lazarus-pit.io/lab/internal/place"
)

func apiserver(api *apiClient) Part {
	return Part{
		Name:    "apiserver",
		After:   []string{"etcd"},
		Program: "kube-apiserver",
		Args: []string{
			"--advertise-address=" + place.Node{Number: 1}.Address(),
			fmt.Sprintf("--secure-port=%d", place.APIPort),
			"--etcd-servers=" + place.EtcdClient,
			"--service-cluster-ip-range=" + place.ServiceRange,
			"--allow-privileged=true",
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--client-ca-file=" + place.In("certs", "ca.crt"),
			"--tls-cert-file=" + place.In("certs", "apiserver.crt"),
			"--tls-private-key-file=" + place.In("certs", "apiserver.key"),
			"--kubelet-certificate-authority=" + place.In("certs", "ca.crt"),
			"--kubelet-client-certificate=" + place.In("certs", "apiserver-kubelet-client.crt"),
			"--kubelet-client-key=" + place.In("certs", "apiserver-kubelet-client.key"),
			// Node names resolve nowhere, and exec and logs go to the node.
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + place.In("certs", "service-account.pub"),
			"--service-account-signing-key-file=" + place.In("certs", "service-account.key"),
			"--audit-log-path=" + place.In("audit.log"),
			"--audit-policy-file=" + place.In("config", "audit.yaml"),
			// In MB. A rotated log would lose the writes that tests count.
			"--audit-log-maxsize=100000",
			"--max-requests-inflight=1200",
			"--max-mutating-requests-inflight=600",
			"--profiling=false",
		},
		Ready: func(ctx context.Context) error { return api.read(ctx, "/readyz", nil) },
	}
}
