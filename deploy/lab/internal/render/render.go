// Package render writes the configuration files of a lab's parts. The files
// are made anew at each start, so they always fit the programs that read them.
package render

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"lazarus-pit.io/lab/internal/certs"
	"lazarus-pit.io/lab/internal/place"
)

//go:embed templates
var templates embed.FS

// SandboxImage is the name of the image that every pod's sandbox runs.
const SandboxImage = "lab.invalid/pause:1"

// values is what the templates see.
type values struct {
	Node         place.Node
	Cgroup       string
	DNS          string
	Programs     string
	SandboxImage string
	Snapshotter  string
	CNI          string
	Lease        int    // how long a kubelet's sign of life counts, in seconds
	PolicySocket string // nothing if NetworkPolicies are not enforced
}

// file is one rendered file: the template and where it goes in the lab folder.
type file struct {
	template string
	path     []string
	values   values
}

// Snapshotter is containerd's name for how the lab stores images.
func Snapshotter(lab place.Lab) string {
	if lab.Overlay {
		return "overlayfs"
	}
	return "native"
}

// NodeConfig is the folder of a node's files below the lab folder.
func NodeConfig(node place.Node) []string { return []string{"config", node.Name()} }

// InNodeConfig is a file of a node's configuration as the tree sees it.
func InNodeConfig(node place.Node, name string) string {
	return place.In(append(NodeConfig(node), name)...)
}

func files(lab place.Lab) []file {
	list := []file{
		{"scheduler.yaml", []string{"config", "scheduler.yaml"}, values{}},
		{"audit.yaml", []string{"config", "audit.yaml"}, values{}},
	}
	for _, node := range lab.AllNodes() {
		shared := values{
			Node:         node,
			Cgroup:       lab.Cgroup() + "/" + node.Name(),
			DNS:          place.ServiceDNS,
			Programs:     place.Programs,
			SandboxImage: SandboxImage,
			Snapshotter:  Snapshotter(lab),
			CNI:          InNodeConfig(node, "cni"),
			Lease:        lab.NodeLease(),
		}
		if !lab.Unenforced {
			shared.PolicySocket = place.PolicySocket
		}
		at := NodeConfig(node)
		list = append(list,
			file{"kubelet.yaml", append(at, "kubelet.yaml"), shared},
			file{"containerd.toml", append(at, "containerd.toml"), shared},
			file{"cni.conflist", append(at, "cni", "10-lab.conflist"), shared},
		)
	}
	return list
}

// All writes every configuration file and kubeconfig of the lab's parts.
func All(lab place.Lab) error {
	for _, file := range files(lab) {
		text, err := render(file)
		if err != nil {
			return err
		}
		path := lab.Path(file.path...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := place.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	// An empty one would make pods with the node's DNS ask 127.0.0.1 anyway.
	nowhere := []byte("# the lab has no way out, so no resolver\nnameserver 127.0.0.1\n")
	if err := place.WriteFile(lab.Path("config", "resolv.conf"), nowhere, 0o644); err != nil {
		return err
	}
	servers := map[string]string{}
	for _, user := range []string{"admin", "controller-manager", "scheduler", "kube-proxy", "addons"} {
		servers[user] = place.APIServer()
	}
	for _, node := range lab.AllNodes() {
		servers["kubelet-"+node.Name()] = node.APIServer()
	}
	for user, server := range servers {
		path := lab.Path("config", user+".kubeconfig")
		if err := certs.Kubeconfig(path, lab.Path("certs"), user, server); err != nil {
			return err
		}
	}
	return nil
}

func render(file file) ([]byte, error) {
	parsed, err := template.New(file.template).
		Option("missingkey=error").
		Funcs(template.FuncMap{"in": place.In}).
		ParseFS(templates, "templates/"+file.template)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, file.values); err != nil {
		return nil, fmt.Errorf("render %s: %w", file.template, err)
	}
	return text.Bytes(), nil
}
