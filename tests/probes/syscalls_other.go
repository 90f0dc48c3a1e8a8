//go:build !amd64

package main

// untriedHere are calls that newer architectures lack.
var untriedHere []int

// Before the numbers that all architectures share there are none in use.
const (
	firstUnused = 295
	lastUnused  = 423
)
