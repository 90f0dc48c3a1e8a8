//go:build !amd64

package main

// untriedHere are calls that newer architectures lack.
var untriedHere []int
