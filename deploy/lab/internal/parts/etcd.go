package parts

import "lazarus-pit.io/lab/internal/place"

func etcd() Part {
	return Part{
		Name:    "etcd",
		Program: "etcd",
		Args: []string{
			"--name=lab",
			"--data-dir=" + place.In("data", "etcd"),
			"--listen-client-urls=" + place.EtcdClient,
			"--advertise-client-urls=" + place.EtcdClient,
			"--listen-peer-urls=" + place.EtcdPeer,
			"--initial-advertise-peer-urls=" + place.EtcdPeer,
			"--initial-cluster=lab=" + place.EtcdPeer,
			// The one member elects itself: nobody to wait for.
			"--heartbeat-interval=50",
			"--election-timeout=250",
			// The lab's data need not outlive a power cut.
			"--unsafe-no-fsync",
			"--quota-backend-bytes=4294967296",
			"--log-level=warn",
		},
		Ready: answers(localHealth, place.EtcdClient+"/health"),
	}
}
