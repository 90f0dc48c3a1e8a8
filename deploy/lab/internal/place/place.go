// Package place says where everything of a lab is: folders on the machine,
// the same folders as the lab's own tree of namespaces sees them, addresses
// and ports.
//
// A lab folder may have a long path. Inside the tree it is always bound to
// [Inside], which keeps unix sockets and overlay mount options short.
package place

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Paths inside the tree. All of them are on the tree's own /run.
const (
	Inside        = "/run/lab"           // the lab folder
	Programs      = "/run/bin"           // every program of the lab, by name
	ControlBuild  = "/run/build/control" // the control plane's build
	NodeBuild     = "/run/build/node"    // the node's build
	AddonsBuild   = "/run/build/addons"  // the build of what the lab adds to Kubernetes
	ControlSocket = "/run/control.sock"  // the supervisor's own API
	CleanProc     = "/run/proc"          // a /proc with nothing mounted over it
	PolicySocket  = "/run/network-policy.sock"
	VolumesSocket = "/run/local-volumes.sock"
)

// Addresses of the lab's airtight network.
const (
	NodeBridge   = "node0"
	ServiceRange = "10.96.0.0/16"
	ServiceFirst = "10.96.0.1" // the kubernetes Service
	ServiceDNS   = "10.96.0.10"
	PodRange     = "10.244.0.0/16"
	APIPort      = 6443
	EtcdClient   = "http://127.0.0.1:2379"
	EtcdPeer     = "http://127.0.0.1:2380"
	// MaxNodes is how many /20 blocks PodRange holds.
	MaxNodes = 16
)

// Lab is one lab: what `lab up` was asked for, kept in lab.json.
type Lab struct {
	Dir     string `json:"dir"`     // absolute
	Nodes   int    `json:"nodes"`   // 1 to MaxNodes
	Port    int    `json:"port"`    // on 127.0.0.1 of the machine, 0 = any free one
	Control string `json:"control"` // folder of the control plane's build
	Node    string `json:"node"`    // folder of the node's build
	Addons  string `json:"addons"`  // folder of the build of what the lab adds to Kubernetes
	// Supervisor is the program that runs the lab and knows its configuration.
	Supervisor string `json:"supervisor"`
	Overlay    bool   `json:"overlay"` // whether overlayfs works on Dir
	// Unenforced is a lab in which NetworkPolicies do nothing.
	Unenforced bool `json:"unenforced"`
}

// Open returns the lab in dir as lab.json has it, or a new one if there is none.
func Open(dir string) (Lab, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return Lab{}, err
	}
	lab := Lab{Dir: absolute, Nodes: 1}
	text, err := os.ReadFile(lab.Path("lab.json"))
	if os.IsNotExist(err) {
		return lab, nil
	}
	if err != nil {
		return lab, err
	}
	if err := json.Unmarshal(text, &lab); err != nil {
		return lab, fmt.Errorf("%s is damaged (%w): run `down` and `up`", lab.Path("lab.json"), err)
	}
	lab.Dir = absolute
	return lab, nil
}

// Save writes lab.json.
func (lab Lab) Save() error {
	text, err := json.MarshalIndent(lab, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(lab.Path("lab.json"), append(text, '\n'), 0o644)
}

// Path is a path in the lab folder as the machine sees it.
func (lab Lab) Path(parts ...string) string {
	return filepath.Join(append([]string{lab.Dir}, parts...)...)
}

// In is a path in the lab folder as the tree sees it.
func In(parts ...string) string {
	return filepath.Join(append([]string{Inside}, parts...)...)
}

// Cgroup is the name of the lab's cgroup in each hierarchy. It depends on the
// folder alone, so that `down` finds it when nothing else is left.
func (lab Lab) Cgroup() string {
	sum := sha256.Sum256([]byte(lab.Dir))
	return "lab-" + hex.EncodeToString(sum[:5])
}

// NodeLease is how many seconds a kubelet's sign of life counts.
func (lab Lab) NodeLease() int {
	if lab.Nodes > 1 {
		return 16
	}
	return 40 // kubelet's own
}

// NodeGrace is after how many seconds of silence a node is not ready. Where
// there is another node to go to, tests wait for that. Where there is none, a
// slow machine should not look like a lost one.
func (lab Lab) NodeGrace() int {
	if lab.Nodes > 1 {
		return 20
	}
	return 50 // the controller manager's own
}

// Node is one node; its number starts at 1.
type Node struct{ Number int }

// AllNodes lists the lab's nodes in order.
func (lab Lab) AllNodes() []Node {
	nodes := make([]Node, 0, lab.Nodes)
	for number := 1; number <= lab.Nodes; number++ {
		nodes = append(nodes, Node{number})
	}
	return nodes
}

// Name is the Kubernetes name: lab-1.
func (n Node) Name() string { return fmt.Sprintf("lab-%d", n.Number) }

// Part is the name of a part of this node; the first node's have no number.
func (n Node) Part(base string) string {
	if n.Number == 1 {
		return base
	}
	return fmt.Sprintf("%s-%d", base, n.Number)
}

// Address is the node's address; 172.31.255.2 for the first.
func (n Node) Address() string { return fmt.Sprintf("172.31.255.%d", n.Number+1) }

// Pods is the node's block of pod addresses: a /20, 4093 pods.
func (n Node) Pods() string { return fmt.Sprintf("10.244.%d.0/20", 16*(n.Number-1)) }

// Data is the node's kept data inside the tree.
func (n Node) Data(parts ...string) string {
	return In(append([]string{"data", fmt.Sprintf("node-%d", n.Number)}, parts...)...)
}

// Run is the node's folder for sockets and other state that ends with the tree.
func (n Node) Run(parts ...string) string {
	return filepath.Join(append([]string{fmt.Sprintf("/run/node-%d", n.Number)}, parts...)...)
}

// Containerd is the socket of the node's containerd.
func (n Node) Containerd() string { return n.Run("containerd.sock") }

// APIServer is the address that pods and the cluster's own parts reach the API
// server at.
func APIServer() string {
	return "https://" + net.JoinHostPort(Node{1}.Address(), fmt.Sprint(APIPort))
}

// APIAddress is one that only this node's kubelet reaches the API server at. All
// of them share the tree's network, so nothing else tells one from the other.
func (n Node) APIAddress() string { return fmt.Sprintf("127.0.1.%d", n.Number) }

// APIServer is the API server at that address.
func (n Node) APIServer() string {
	return "https://" + net.JoinHostPort(n.APIAddress(), fmt.Sprint(APIPort))
}

// WriteFile writes a file whole or not at all.
func WriteFile(path string, text []byte, mode os.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(text); err != nil {
		return err
	}
	if err := temporary.Chmod(mode); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
