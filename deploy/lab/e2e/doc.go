// Package e2e tests what the lab adds to Kubernetes, in a lab that runs: `make
// e2e-network`. Its tests have the build tag lab.
package e2e
