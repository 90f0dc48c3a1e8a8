// Package preflight checks, before anything is started, that this machine can
// run a lab, and says what to do when it can't.
package preflight

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ProbeCommand is the hidden command that [Kernel] runs in namespaces of its own.
const ProbeCommand = "probe-kernel"

// Result is what the probe found.
type Result struct {
	Missing []string `json:"missing"`
	Overlay bool     `json:"overlay"` // overlayfs works on the lab's disk
}

// Root fails for anyone but root.
func Root() error {
	if os.Geteuid() != 0 {
		return errors.New("a lab makes namespaces, mounts and cgroups: run this as root (sudo)")
	}
	return nil
}

// Kernel tries the kernel features a lab needs, in throw-away namespaces, with
// dir as the disk to store on.
func Kernel(dir string) (Result, error) {
	var result Result
	for _, name := range []string{"net", "mnt", "pid", "user", "ipc", "uts"} {
		if _, err := os.Stat("/proc/self/ns/" + name); err != nil {
			return result, fmt.Errorf("this kernel has no %s namespaces, which a lab needs", name)
		}
	}
	command := exec.Command("/proc/self/exe", ProbeCommand, dir)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		return result, fmt.Errorf("making namespaces failed (%w): a container needs to be privileged for a lab", err)
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return result, err
	}
	if len(result.Missing) > 0 {
		return result, fmt.Errorf("this machine lacks %s: load the kernel module or use another kernel",
			strings.Join(result.Missing, ", "))
	}
	return result, nil
}

// Probe is the body of [ProbeCommand]. It prints a [Result].
func Probe(dir string) error {
	var result Result
	try := func(name string, err error) {
		if err != nil {
			result.Missing = append(result.Missing, fmt.Sprintf("%s (%s)", name, err))
		}
	}
	try("private mounts", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	try("network bridges", run("ip", "link", "add", "probe0", "type", "bridge"))
	try("veth links", run("ip", "link", "add", "probe1", "type", "veth", "peer", "name", "probe2"))
	try("nftables", run("nft", "add", "table", "ip", "probe"))
	try("nftables NAT", run("nft", "add", "chain", "ip", "probe", "c", "{", "type", "nat", "hook", "output", "priority", "-100", ";", "}"))
	try("cgroups", cgroups())
	result.Overlay = overlay(dir) == nil
	return json.NewEncoder(os.Stdout).Encode(result)
}

func run(name string, arguments ...string) error {
	text, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil && len(text) > 0 {
		return errors.New(strings.TrimSpace(strings.SplitN(string(text), "\n", 2)[0]))
	}
	return err
}

// cgroups looks for the controllers that kubelet insists on.
func cgroups() error {
	unified, _ := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	has := map[string]bool{}
	for _, name := range strings.Fields(string(unified)) {
		has[name] = true
	}
	for _, name := range []string{"cpu", "cpuset", "memory", "pids"} {
		if _, err := os.Stat("/sys/fs/cgroup/" + name + "/cgroup.procs"); err != nil && !has[name] {
			return fmt.Errorf("no %s controller below /sys/fs/cgroup", name)
		}
	}
	return nil
}

func overlay(dir string) error {
	root, err := os.MkdirTemp(dir, "overlay-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	// The options name the folders through a short path, as containerd's will.
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return err
	}
	const short = "/run/probe"
	if err := os.Mkdir(short, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(root, short, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	defer unix.Unmount(short, unix.MNT_DETACH)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(short, name), 0o755); err != nil {
			return err
		}
	}
	merged := filepath.Join(short, "merged")
	options := "lowerdir=/run/probe/lower,upperdir=/run/probe/upper,workdir=/run/probe/work"
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return err
	}
	return unix.Unmount(merged, 0)
}
