package parts

import (
	"lazarus-pit.io/lab/internal/place"
)

// Names of the programs that the lab adds to Kubernetes.
const (
	NetworkPolicy = "network-policy"
	LocalVolumes  = "local-volumes"
)

// networkPolicy serves every node: they share the tree's one network. Without
// it no pod starts; see the announcing CNI plugin.
func networkPolicy() Part {
	return Part{
		Name:    NetworkPolicy,
		After:   []string{"apiserver"},
		Program: NetworkPolicy,
		Args: []string{
			"--kubeconfig=" + place.In("config", "addons.kubeconfig"),
			"--listen=" + place.PolicySocket,
			"--pods=" + place.PodRange,
		},
		Ready: listens(place.PolicySocket),
	}
}

// localVolumes serves every node: they see the same folders.
func localVolumes(lab place.Lab) Part {
	arguments := []string{
		"--kubeconfig=" + place.In("config", "addons.kubeconfig"),
		"--listen=" + place.VolumesSocket,
	}
	for _, node := range lab.AllNodes() {
		arguments = append(arguments, "--node="+node.Name()+"="+node.Data("volumes"))
	}
	return Part{
		Name:    LocalVolumes,
		After:   []string{"apiserver"},
		Program: LocalVolumes,
		Args:    arguments,
		Ready:   listens(place.VolumesSocket),
	}
}
