package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var deviceProbes = []probe{
	{"P18", []attempt{
		{"make a group", func(Question) error { return firstOf(groupFolders(), makesFolder) }},
		{"write to a group", func(Question) error { return firstOf(groupFiles(), opensForWriting) }},
		childAttempt("mount cgroup2", ownMounts, "filesystem", "cgroup2"),
		childAttempt("mount cgroup", ownMounts, "filesystem", "cgroup"),
		childAttempt("mount cgroup2, own user namespace", ownUser(unix.CLONE_NEWNS|unix.CLONE_NEWCGROUP), "filesystem", "cgroup2"),
	}},
	{"P19", []attempt{
		{"make a device", func(Question) error { return firstOf([]string{"", "/dev", "/", "/workspace", "/tmp"}, makesDevice) }},
		{"make the node's disk", func(Question) error { return makesDisk() }},
		{"/dev/kmsg", func(Question) error { return opensDevice("/dev/kmsg", unix.O_RDONLY) }},
		{"/dev/mem", func(Question) error { return opensDevice("/dev/mem", unix.O_RDONLY) }},
		{"/dev/port", func(Question) error { return opensDevice("/dev/port", unix.O_RDONLY) }},
	}},
}

// groupFolders are directories of cgroups, a bounded number of each mount.
func groupFolders() []string {
	const most = 100
	var all []string
	for _, each := range mounts() {
		if each.kind != "cgroup" && each.kind != "cgroup2" {
			continue
		}
		seen := 0
		_ = filepath.WalkDir(each.point, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case seen >= most:
				return fs.SkipAll
			case err == nil && entry.IsDir():
				seen++
				all = append(all, path)
			}
			return nil
		})
	}
	return all
}

func groupFiles() []string {
	var all []string
	for _, folder := range groupFolders() {
		for _, name := range []string{"release_agent", "notify_on_release", "cgroup.procs", "cgroup.subtree_control", "memory.max", "pids.max"} {
			all = append(all, filepath.Join(folder, name))
		}
	}
	return all
}

// makesFolder makes one for a moment: where it stands for something in the kernel, that is made too.
func makesFolder(parent string) error {
	folder := filepath.Join(parent, fmt.Sprintf("probe-%d", os.Getpid()))
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	return os.Remove(folder)
}

// makesDevice makes one like /dev/zero, in a directory of the agent's own if no other is named.
func makesDevice(directory string) error {
	return withDevice(directory, unix.S_IFCHR, unix.Mkdev(1, 5), func(path string) error {
		var about unix.Stat_t
		if err := unix.Stat(path, &about); err != nil {
			return err
		}
		if about.Mode&unix.S_IFMT != unix.S_IFCHR || about.Rdev != unix.Mkdev(1, 5) {
			return errors.New("another file")
		}
		return nil
	})
}

// makesDisk opens the disk that a mounted file is on, without reading it.
func makesDisk() error {
	return firstOf([]string{"/etc/hosts", "/workspace", "/dev/termination-log", "/"}, func(path string) error {
		disk, err := deviceOf(path)
		if err != nil {
			return err
		}
		if unix.Major(disk) == 0 {
			return errors.New("not on a disk")
		}
		return withDevice("", unix.S_IFBLK, disk, func(path string) error {
			if err := opensDevice(path, unix.O_RDONLY); err != nil {
				return fmt.Errorf("made, but not opened: %v", err)
			}
			return nil
		})
	})
}

// withDevice makes a device for a moment.
func withDevice(directory string, kind uint32, device uint64, try func(path string) error) error {
	if directory == "" {
		own, done, err := ownDirectory()
		if err != nil {
			return err
		}
		defer done()
		directory = own
	}
	path := filepath.Join(directory, fmt.Sprintf("probe-device-%d", os.Getpid()))
	if err := unix.Mknod(path, kind|0o600, int(device)); err != nil {
		return err
	}
	defer os.Remove(path)
	return try(path)
}
