package tree

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lazarus-pit.io/lab/internal/place"
)

// hierarchy is one mounted cgroup hierarchy.
type hierarchy struct {
	path    string
	unified bool // version 2
}

func hierarchies() ([]hierarchy, error) {
	file, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var list []hierarchy
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.HasPrefix(fields[1], "/sys/fs/cgroup") {
			continue
		}
		if kind := fields[2]; kind == "cgroup" || kind == "cgroup2" {
			list = append(list, hierarchy{fields[1], kind == "cgroup2"})
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no cgroup hierarchy is mounted below /sys/fs/cgroup: mount one")
	}
	return list, lines.Err()
}

// MakeCgroups makes the cgroup of each node in each hierarchy. kubelet makes
// those of the pods below, and wants these to exist.
func MakeCgroups(lab place.Lab) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range list {
		for _, node := range lab.AllNodes() {
			at := hierarchy.path
			for _, step := range []string{lab.Cgroup(), node.Name()} {
				parent := at
				at = filepath.Join(parent, step)
				if err := os.MkdirAll(at, 0o755); err != nil {
					return err
				}
				if err := inherit(hierarchy, parent, at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// inherit passes on what a new cgroup does not have by itself.
func inherit(hierarchy hierarchy, parent, child string) error {
	if hierarchy.unified {
		controllers, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, controller := range strings.Fields(string(controllers)) {
			// One that cannot be passed on is missed by kubelet, which names it.
			_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		}
		return nil
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, name))
		if err != nil {
			continue // not the cpuset hierarchy
		}
		if err := os.WriteFile(filepath.Join(child, name), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// RemoveCgroups removes the lab's cgroups in every hierarchy. Its processes
// must be dead; the kernel may need a moment to notice.
func RemoveCgroups(lab place.Lab) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		var failed error
		for _, hierarchy := range list {
			if err := removeTree(filepath.Join(hierarchy.path, lab.Cgroup())); err != nil {
				failed = err
			}
		}
		if failed == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("a cgroup stays behind: %w", failed)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeTree removes a cgroup and those below it, the lowest first. Its files
// are the kernel's and go with it.
func removeTree(root string) error {
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(folders)
	for _, folder := range folders {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
