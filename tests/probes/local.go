package main

import "slices"

// localProbes attack what is on the agent's own node. Those of the network are elsewhere.
var localProbes = slices.Concat(
	privilegeProbes, processProbes, mountProbes, fileProbes, readingProbes, kernelProbes, deviceProbes, secretProbes,
)
