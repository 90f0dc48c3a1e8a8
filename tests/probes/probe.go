package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Question is what a probe in a pod is told of the world: things that the
// attacker is assumed to know, and by which success is told from a lookalike.
type Question struct {
	// Probes are the names of those to run.
	Probes []string `json:"probes"`
	// Marker is what the files of others hold that nobody else may read.
	Marker string `json:"marker"`
	// Neighbour is the file of another agent of the mission with the marker.
	Neighbour string `json:"neighbour"`
	// Strangers are places, as the node has them, of files of another mission's workspace with the marker.
	Strangers []string `json:"strangers"`
	// HostFile is a file of the node with the marker, by the node's path.
	HostFile string `json:"hostFile"`
	// Sockets are the container runtime's, by the node's paths.
	Sockets []string `json:"sockets"`
	// Process is a word in the command line of a process in another pod.
	Process string `json:"process"`
	// Secret is the value of a Secret that the manifest asked for.
	Secret string `json:"secret"`
	// Network is whom the probes of the network try to reach.
	Network Network `json:"network"`
}

// Network has places as "tcp ADDRESS:PORT" or "udp ADDRESS:PORT".
type Network struct {
	// Metadata are those under which providers hand out credentials.
	Metadata []string `json:"metadata"`
	// Others are pods of other missions and namespaces, and Services.
	Others []string `json:"others"`
	// Outside is the "internet".
	Outside []string `json:"outside"`
	// Victims are ports that another mission's agents declare.
	Victims []string `json:"victims"`
	// LinkLocal is the node's end of the pod's own link.
	LinkLocal []string `json:"linkLocal"`
	// NameServer is the address of the cluster's, without a port.
	NameServer string `json:"nameServer"`
	// APIServer and Gateway are addresses with ports.
	APIServer string `json:"apiServer"`
	Gateway   string `json:"gateway"`
	// APIToken is tried at the API server.
	APIToken string `json:"apiToken"`
	// Tokens are tried at the gateway, by how they were come by.
	Tokens map[string]string `json:"tokens"`
	// Seconds is how long connections are held.
	Seconds int `json:"seconds"`
}

// Finding is what one probe found.
type Finding struct {
	Probe string `json:"probe"`
	// Succeeded means that the attack worked.
	Succeeded bool `json:"succeeded"`
	// Detail says how, or what stopped each way that was tried.
	Detail string `json:"detail"`
	// Unable has the ways that could not be tried: they show nothing.
	Unable []string `json:"unable,omitempty"`
	// Count is of what the probe counts, if it does.
	Count int `json:"count,omitempty"`
}

// attempt is one way to do what a probe is about. It returns no error if it succeeded.
type attempt struct {
	name string
	try  func(Question) error
}

// probe succeeds if any of its attempts does.
type probe struct {
	name     string
	attempts []attempt
}

// unable is of an attempt that came to nothing for a reason of its own.
type unable struct{ error }

// run makes all attempts: each way in is of interest.
func (p probe) run(question Question) Finding {
	var worked, failed, not []string
	for _, attempt := range p.attempts {
		err := attempt.try(question)
		switch said := fmt.Sprintf("%s: %v", attempt.name, err); {
		case err == nil:
			worked = append(worked, attempt.name)
		case errors.As(err, &unable{}):
			not = append(not, said)
		default:
			failed = append(failed, said)
		}
	}
	if len(worked) > 0 {
		return Finding{Probe: p.name, Succeeded: true, Detail: strings.Join(worked, "; ")}
	}
	return Finding{Probe: p.name, Detail: strings.Join(failed, "; "), Unable: not}
}

// answer runs the probes of a question.
func answer(question Question) []Finding {
	var findings []Finding
	for _, each := range slices.Concat(localProbes, networkProbes) {
		if slices.Contains(question.Probes, each.name) {
			findings = append(findings, each.run(question))
		}
	}
	if slices.Contains(question.Probes, "P47") {
		count, detail := answeredSyscalls()
		findings = append(findings, Finding{Probe: "P47", Succeeded: true, Detail: detail, Count: count})
	}
	for _, name := range question.Probes {
		if act, ok := acts[name]; ok {
			findings = append(findings, act(question))
		}
	}
	return findings
}
