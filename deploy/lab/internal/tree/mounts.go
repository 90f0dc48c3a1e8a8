package tree

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lazarus-pit.io/lab/internal/place"
)

// kernelSettings are what kubelet would set on the whole machine. It is shown
// files that hold these values already and so leaves the machine's alone.
var kernelSettings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// setUpMounts gives the tree its own /run, /proc, /var/lib and /var/log and
// cuts it off from the machine's mounts.
func setUpMounts(lab place.Lab) error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := setUpRun(lab); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := setUpProc(); err != nil {
		return err
	}
	// Parts write below these by fixed paths, whatever their options say.
	for _, dir := range []string{"/var/lib", "/var/log"} {
		if err := mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return err
		}
	}
	// Volumes that pass mounts on to containers need a shared tree.
	return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// setUpRun fills a new /run before it covers the machine's: the lab folder or
// the cache may lie below the old one.
func setUpRun(lab place.Lab) error {
	fresh := lab.Path("run")
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		return err
	}
	if err := mount("tmpfs", fresh, "tmpfs", unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	for target, source := range map[string]string{
		place.Inside:       lab.Dir,
		place.ControlBuild: lab.Control,
		place.NodeBuild:    lab.Node,
		place.AddonsBuild:  lab.Addons,
	} {
		relative, err := filepath.Rel("/run", target)
		if err != nil {
			return err
		}
		at := filepath.Join(fresh, relative)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := mount(source, at, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := mount(fresh, "/run", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	return linkPrograms()
}

func linkPrograms() error {
	if err := os.MkdirAll(place.Programs, 0o755); err != nil {
		return err
	}
	for _, build := range []string{place.ControlBuild, place.NodeBuild, place.AddonsBuild} {
		programs, err := os.ReadDir(build)
		if err != nil {
			return err
		}
		for _, program := range programs {
			err := os.Symlink(filepath.Join(build, program.Name()), filepath.Join(place.Programs, program.Name()))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func setUpProc() error {
	// A pod with its own user namespace may mount /proc only if the tree has one
	// that nothing is mounted over.
	if err := os.MkdirAll(place.CleanProc, 0o755); err != nil {
		return err
	}
	if err := mount("proc", place.CleanProc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	const shown = "/run/kernel-settings"
	for name, value := range kernelSettings {
		file := filepath.Join(shown, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s%s on %s: %w", kind, source, target, err)
	}
	return nil
}
