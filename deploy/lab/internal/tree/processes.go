package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lazarus-pit.io/lab/internal/place"
)

// FreezePods stops every process of the node's pods, as if the machine hung.
func FreezePods(lab place.Lab, node place.Node) error {
	return signalPods(lab, node, syscall.SIGSTOP, once())
}

// ThawPods lets the processes of the node's pods run again.
func ThawPods(lab place.Lab, node place.Node) error {
	return signalPods(lab, node, syscall.SIGCONT, once())
}

// KillPods ends every process of the node's pods, as if its power were cut.
func KillPods(lab place.Lab, node place.Node) error {
	// One that is still there is not dead yet.
	return signalPods(lab, node, syscall.SIGKILL, func(int) bool { return true })
}

// once is true the first time it is asked about a process.
func once() func(pid int) bool {
	done := map[int]bool{}
	return func(pid int) bool {
		first := !done[pid]
		done[pid] = true
		return first
	}
}

// signalPods looks again until there is no process left that wants the signal:
// one may have made another meanwhile.
func signalPods(lab place.Lab, node place.Node, signal syscall.Signal, wants func(pid int) bool) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		sent := false
		for _, hierarchy := range list {
			pids, err := processesBelow(filepath.Join(hierarchy.path, lab.Cgroup(), node.Name()))
			if err != nil {
				return err
			}
			for _, pid := range pids {
				if !wants(pid) {
					continue
				}
				sent = true
				if err := syscall.Kill(pid, signal); err != nil && err != syscall.ESRCH {
					return fmt.Errorf("signal process %d: %w", pid, err)
				}
			}
		}
		if !sent {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s for 10 s, and the pods of %s still have processes", unix.SignalName(signal), node.Name())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// processesBelow lists the processes in a cgroup and those below it.
func processesBelow(root string) ([]int, error) {
	var list []int
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return nil
		}
		if err == nil && entry.Name() == "cgroup.procs" {
			var text []byte
			text, err = os.ReadFile(path)
			for _, line := range strings.Fields(string(text)) {
				// 0 stands for a process that can't be seen from here.
				if pid, err := strconv.Atoi(line); err == nil && pid > 0 {
					list = append(list, pid)
				}
			}
		}
		// The kubelet removes cgroups at any time.
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
			return nil
		}
		return err
	})
	return list, err
}
