// Package parts describes what a lab runs: one file a part. A new part is one
// more file and one more line in [All].
package parts

import (
	"context"
	"time"

	"lazarus-pit.io/lab/internal/place"
)

// Part is one program of the lab, or, without a program, a state of the
// cluster to wait for.
type Part struct {
	Name    string
	After   []string // parts that must have been ready once before this one starts
	Program string   // base name below [place.Programs]
	Args    []string
	// Ready returns nil once the part does its work.
	Ready func(context.Context) error
	// Prepare runs each time the program has become ready and belongs to its start.
	Prepare func(context.Context) error
}

// IsCheck says whether the part is only a state to wait for.
func (p Part) IsCheck() bool { return p.Program == "" }

// All lists the parts of a lab in the order a person would start them.
func All(lab place.Lab) ([]Part, error) {
	api, err := newAPIClient(place.In("certs"))
	if err != nil {
		return nil, err
	}
	list := []Part{etcd(), apiserver(api), controllerManager(lab), scheduler()}
	for _, node := range lab.AllNodes() {
		list = append(list, containerd(lab, node), kubelet(node))
	}
	list = append(list, kubeProxy(), localVolumes(lab))
	if !lab.Unenforced {
		list = append(list, networkPolicy())
	}
	for _, node := range lab.AllNodes() {
		list = append(list, nodeReady(api, node))
	}
	return append(list, serviceAccountReady(api)), nil
}

// probeTimeout bounds one readiness request.
const probeTimeout = 2 * time.Second
