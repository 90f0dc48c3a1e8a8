package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Each way to mount is tried as the agent is, and as root of a user namespace
// of its own. What stays mounted goes with the child's mount namespace.
var mountProbes = []probe{
	{"P04", []attempt{
		childAttempt("tmpfs", nil, "filesystem", "tmpfs"),
		childAttempt("tmpfs, own user namespace", ownUser(unix.CLONE_NEWNS), "filesystem", "tmpfs"),
		childAttempt("bind", nil, "bind"),
		childAttempt("bind, own user namespace", ownUser(unix.CLONE_NEWNS), "bind"),
		childAttempt("umount", nil, "unmount"),
		childAttempt("pivot_root", ownMounts, "pivot"),
		childAttempt("pivot_root, own user namespace", ownUser(unix.CLONE_NEWNS), "pivot"),
		childAttempt("fsopen", nil, "fsopen"),
		childAttempt("fsopen, own user namespace", ownUser(unix.CLONE_NEWNS), "fsopen"),
		childAttempt("open_tree", nil, "opentree"),
		childAttempt("open_tree, own user namespace", ownUser(unix.CLONE_NEWNS), "opentree"),
	}},
}

// ownMounts is a mount namespace that goes with the child.
var ownMounts = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}

// keepToItself has nothing that is mounted or unmounted reach another namespace.
// The runtime starts the child in a new one, or not at all.
func keepToItself() error {
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}

// mountFilesystem mounts one of that type for a moment.
func mountFilesystem(words []string) error {
	return mounted(words[0], func(string) error { return nil })
}

// mounted mounts a filesystem on a new directory, looks at it and unmounts it.
func mounted(kind string, look func(directory string) error) error {
	directory, done, err := ownDirectory()
	if err != nil {
		return err
	}
	defer done()
	options := map[string]string{
		"tmpfs": "size=4k",
		// A hierarchy with no controller: one in use elsewhere stays as it is.
		"cgroup": "none,name=probe",
	}
	before, err := deviceOf(directory)
	if err != nil {
		return err
	}
	if err := unix.Mount("probe", directory, kind, 0, options[kind]); err != nil {
		return err
	}
	defer unix.Unmount(directory, unix.MNT_DETACH)
	after, err := deviceOf(directory)
	if err != nil {
		return err
	}
	if before == after {
		return errors.New("mounted, but not seen")
	}
	return look(directory)
}

func deviceOf(path string) (uint64, error) {
	var about unix.Stat_t
	err := unix.Stat(path, &about)
	return uint64(about.Dev), err
}

// mountBind shows one new directory in another.
func mountBind([]string) error {
	from, done, err := ownDirectory()
	if err != nil {
		return err
	}
	defer done()
	to, done, err := ownDirectory()
	if err != nil {
		return err
	}
	defer done()
	marker := filepath.Join(from, "marker")
	if err := os.WriteFile(marker, []byte("shown"), 0o600); err != nil {
		return err
	}
	defer os.Remove(marker)
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	defer unix.Unmount(to, unix.MNT_DETACH)
	return holds(filepath.Join(to, "marker"), "shown")
}

// unmountExpiring asks for an unmount that can't happen, as a file is open
// there: only who may unmount is told so.
func unmountExpiring([]string) error {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return err
	}
	defer file.Close()
	err = unix.Unmount("/proc", unix.MNT_EXPIRE)
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}

func pivotRoot([]string) error {
	if err := keepToItself(); err != nil {
		return err
	}
	return mounted("tmpfs", func(directory string) error {
		old := filepath.Join(directory, "old")
		if err := os.Mkdir(old, 0o700); err != nil {
			return err
		}
		if err := unix.PivotRoot(directory, old); err != nil {
			return err
		}
		// The old root is where it was put, so the directory is below.
		defer os.Remove("/old" + directory)
		_, err := os.Stat("/old/proc")
		return err
	})
}

// mountDetached makes a filesystem that is mounted nowhere and goes with its descriptor.
func mountDetached([]string) error {
	context, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return err
	}
	tree, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	file, err := unix.Openat(tree, "written", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(file)
}

// cloneTree makes a copy of what is mounted, which goes with its descriptor.
func cloneTree([]string) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	folder, err := unix.Openat(tree, "proc", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(folder)
}

// unmask takes away what lies over a path, and looks below.
func unmask(words []string) error {
	if err := keepToItself(); err != nil {
		return err
	}
	if err := unix.Unmount(words[0], unix.MNT_DETACH); err != nil {
		return err
	}
	return tells(words[0])
}

// freshProc mounts a /proc that nobody has masked.
func freshProc([]string) error {
	if err := keepToItself(); err != nil {
		return err
	}
	return mounted("proc", func(directory string) error {
		return firstOf([]func() error{
			func() error { return tells(directory + "/kcore") },
			func() error { return opensForWriting(directory + "/sys/kernel/core_pattern") },
		}, func(look func() error) error { return look() })
	})
}

// remountShared makes what the agents share writable.
func remountShared([]string) error {
	if err := keepToItself(); err != nil {
		return err
	}
	if err := unix.Mount("", sharedDirectory, "", unix.MS_REMOUNT|unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := writesTo(sharedDirectory); err != nil {
		return fmt.Errorf("remounted: %w", err)
	}
	return nil
}
