package main

import "golang.org/x/sys/unix"

// untriedHere are calls that newer architectures lack.
var untriedHere = []int{unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_PAUSE}

// Before the numbers that all architectures share there are none in use.
const (
	firstUnused = 337
	lastUnused  = 423
)
