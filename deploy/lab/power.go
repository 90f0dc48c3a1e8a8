package main

import (
	"errors"
	"fmt"
	"syscall"

	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/supervise"
	"lazarus-pit.io/lab/internal/tree"
)

const nodeUsage = `usage: lab.sh node stop NODE          all of it stands still: kubelet, containerd, its pods' processes
       lab.sh node stop NODE --kill   as if its power were cut: all of it ends, and the cluster is told nothing
       lab.sh node start NODE         it runs again after either

To stop the kubelet alone: lab.sh stop kubelet (of the second node: kubelet-2).
`

// nodeOrder is what was asked for on the command line.
type nodeOrder struct {
	verb, name string
	kill       bool
}

func parseNode(arguments []string) (nodeOrder, error) {
	var order nodeOrder
	flags := newFlags("node")
	flags.BoolVar(&order.kill, "kill", false, "")
	words, err := parse(flags, arguments, 2)
	if err != nil {
		return order, err
	}
	order.verb, order.name = words[0], words[1]
	if order.verb != "stop" && order.verb != "start" {
		return order, usageError(fmt.Sprintf("no command node %q: there are stop and start", order.verb))
	}
	if order.verb == "start" && order.kill {
		return order, usageError("node start takes no --kill")
	}
	return order, nil
}

func runNode(known settings, arguments []string) error {
	if wantsHelp(arguments) {
		fmt.Print(nodeUsage)
		return nil
	}
	order, err := parseNode(arguments)
	if err != nil {
		return err
	}
	lab, pid, err := running(known)
	if err != nil {
		return err
	}
	node, err := findNode(lab, order.name)
	if err != nil {
		return err
	}
	client := supervise.NewClient(pid)
	switch {
	case order.verb == "start":
		return startNode(client, lab, node)
	case order.kill:
		return killNode(client, lab, node)
	default:
		return freezeNode(client, lab, node)
	}
}

func findNode(lab place.Lab, name string) (place.Node, error) {
	var names []string
	for _, node := range lab.AllNodes() {
		if node.Name() == name {
			return node, nil
		}
		names = append(names, node.Name())
	}
	return place.Node{}, fmt.Errorf("no node %q: there are %q", name, names)
}

// The kubelet first, for it would tell what becomes of the pods.
func freezeNode(client supervise.Client, lab place.Lab, node place.Node) error {
	for _, part := range []string{node.Part("kubelet"), node.Part("containerd")} {
		if err := client.Signal(part, int(syscall.SIGSTOP)); err != nil {
			return err
		}
	}
	return tree.FreezePods(lab, node)
}

func killNode(client supervise.Client, lab place.Lab, node place.Node) error {
	for _, part := range []string{node.Part("kubelet"), node.Part("containerd")} {
		if err := client.Stop(part); err != nil {
			return err
		}
	}
	return tree.KillPods(lab, node)
}

// The pods first, for the kubelet would take them for hung.
func startNode(client supervise.Client, lab place.Lab, node place.Node) error {
	failed := tree.ThawPods(lab, node)
	for _, part := range []string{node.Part("containerd"), node.Part("kubelet")} {
		failed = errors.Join(failed, client.Start(part))
		// It has no process yet if it was killed.
		_ = client.Signal(part, int(syscall.SIGCONT))
	}
	return failed
}
