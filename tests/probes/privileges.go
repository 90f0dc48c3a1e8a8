package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var privilegeProbes = []probe{
	{"P01", []attempt{
		{"be root", func(Question) error { return isRoot() }},
		childAttempt("setuid", nil, "setuid"),
		childAttempt("setgroups", nil, "setgroups"),
	}},
	{"P02", []attempt{{"program of root with set user id", func(Question) error {
		var attributes *syscall.SysProcAttr
		if os.Getuid() == 0 {
			attributes = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		return childOf("/setuid", childPatience, attributes, "euid")
	}}}},
	{"P03", []attempt{hasCapability("CapEff"), hasCapability("CapPrm"), hasCapability("CapBnd")}},
	{"P06", []attempt{
		{"raw ICMP", func(Question) error { return pingItself() }},
		{"raw IP", func(Question) error { return opensSocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW) }},
		{"raw ICMPv6", func(Question) error { return opensSocket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6) }},
		{"packets", func(Question) error { return opensSocket(unix.AF_PACKET, unix.SOCK_RAW, 0) }},
	}},
	{"P34", []attempt{{"uid_map", func(Question) error {
		mapping, err := os.ReadFile("/proc/self/uid_map")
		if err != nil {
			return err
		}
		if !identity(string(mapping)) {
			return fmt.Errorf("maps %s", mapping)
		}
		return nil
	}}}},
}

const nobody = 65534

func isRoot() error {
	if id := os.Geteuid(); id != 0 {
		return fmt.Errorf("user %d", id)
	}
	return nil
}

func becomeRoot([]string) error {
	return firstOf([]func() error{
		func() error { return syscall.Setuid(0) },
		func() error { return syscall.Setreuid(0, 0) },
		func() error { return syscall.Setresuid(0, 0, 0) },
	}, func(become func() error) error {
		if err := become(); err != nil {
			return err
		}
		return isRoot()
	})
}

// joinGroup takes a group that no pod gives.
func joinGroup([]string) error {
	const group = 65533
	if err := syscall.Setgroups([]int{group}); err != nil {
		return err
	}
	groups, err := os.Getgroups()
	if err != nil || !slices.Contains(groups, group) {
		return fmt.Errorf("groups %v", groups)
	}
	return nil
}

// gainedRoot runs in the program with a set user id.
func gainedRoot([]string) error {
	if os.Getuid() == 0 {
		return errors.New("was root before")
	}
	return isRoot()
}

func hasCapability(set string) attempt {
	return attempt{set, func(Question) error {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return err
		}
		bits, err := capabilities(string(status), set)
		if err != nil {
			return err
		}
		if bits == 0 {
			return errors.New("empty")
		}
		return nil
	}}
}

// opensSocket sends nothing: the right to is checked when the socket is made.
func opensSocket(family, kind, protocol int) error {
	socket, err := unix.Socket(family, kind, protocol)
	if err != nil {
		return err
	}
	return unix.Close(socket)
}

// pingItself has the echo of a handmade packet come back over the loopback.
func pingItself() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	limit := unix.NsecToTimeval(time.Second.Nanoseconds())
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return err
	}
	// Type 8, code 0, checksum, identifier and sequence number 0.
	request := []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}
	if err := unix.Sendto(socket, request, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	_, _, err = unix.Recvfrom(socket, make([]byte, 100), 0)
	return err
}
