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

	"lazarus-pit.io/lab/internal/place"
)

// FreezePods stops every process of the node's pods, as if the machine hung.
func FreezePods(lab place.Lab, node place.Node) error {
	stopped := map[int]bool{}
	return signalPods(lab, node, func(pid int) (bool, error) {
		if stopped[pid] {
			return false, nil
		}
		stopped[pid] = true
		return true, syscall.Kill(pid, syscall.SIGSTOP)
	})
}

// KillPods ends every process of the node's pods, as if its power were cut.
func KillPods(lab place.Lab, node place.Node) error {
	return signalPods(lab, node, func(pid int) (bool, error) { return true, syscall.Kill(pid, syscall.SIGKILL) })
}

// ThawPods lets the processes of the node's pods run again.
func ThawPods(lab place.Lab, node place.Node) error {
	continued := map[int]bool{}
	return signalPods(lab, node, func(pid int) (bool, error) {
		if continued[pid] {
			return false, nil
		}
		continued[pid] = true
		return true, syscall.Kill(pid, syscall.SIGCONT)
	})
}

// signalPods looks again until there is nobody left to signal: a process may
// have made another one meanwhile.
func signalPods(lab place.Lab, node place.Node, signal func(pid int) (again bool, err error)) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		again := false
		for _, hierarchy := range list {
			pids, err := processesBelow(filepath.Join(hierarchy.path, lab.Cgroup(), node.Name()))
			if err != nil {
				return err
			}
			for _, pid := range pids {
				more, err := signal(pid)
				if err != nil && err != syscall.ESRCH {
					return fmt.Errorf("signal process %d: %w", pid, err)
				}
				again = again || more
			}
		}
		if !again {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the pods of %s make new processes all the time", node.Name())
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
