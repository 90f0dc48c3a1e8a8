package main

// Question is what a probe in a pod is told of the world: things that the
// attacker is assumed to know, and by which success is told from a lookalike.
type Question struct {
	// Probes are the names of those to run; none means all.
	Probes []string `json:"probes,omitempty"`
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

// Network has addresses with ports.
type Network struct{}

// Finding is what one probe found.
type Finding struct {
	Probe string `json:"probe"`
	// Succeeded means that the attack worked.
	Succeeded bool `json:"succeeded"`
	// Detail says how, or what stopped each way that was tried.
	Detail string `json:"detail"`
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
