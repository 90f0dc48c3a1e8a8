package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var (
	// What runtimes hide. /proc/interrupts is hidden by some only.
	maskedPaths = []string{
		"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/acpi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
	readOnlyFiles = []string{"/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/irq/default_smp_affinity"}
	// Folders of which no file may be written. Those of cgroups are for P18.
	readOnlyFolders = []string{"/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/sys"}
)

var kernelProbes = []probe{
	{"P17", []attempt{
		{"read what is masked", func(Question) error { return firstOf(maskedPaths, tells) }},
		{"write what is read-only", func(Question) error { return firstOf(readOnlyFiles, opensForWriting) }},
		{"write anything there", func(Question) error { return firstOf(readOnlyFolders, opensAny) }},
		childAttempt("own /proc", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID}, "freshproc"),
		childAttempt("own /proc, own user namespace", ownUser(unix.CLONE_NEWNS|unix.CLONE_NEWPID), "freshproc"),
		{"unmask", func(Question) error {
			return firstOf(maskedPaths, func(path string) error { return child(ownMounts, "unmask", path) })
		}},
	}},
	{"P48", []attempt{
		{"/dev/kvm", func(Question) error { return opensDevice("/dev/kvm", unix.O_RDWR) }},
		{"perf_event_open", func(Question) error { return countsEvents() }},
		{"bpf", func(Question) error { return makesMap() }},
		{"/sys/kernel/debug", func(Question) error { return tells("/sys/kernel/debug") }},
		{"/sys/fs/bpf", func(Question) error { return makesFolder("/sys/fs/bpf") }},
		childAttempt("mount debugfs", ownMounts, "filesystem", "debugfs"),
		childAttempt("mount tracefs", ownMounts, "filesystem", "tracefs"),
		childAttempt("mount bpf", ownMounts, "filesystem", "bpf"),
	}},
}

// tells says whether a file has content, or a folder entries: what is masked is empty.
func tells(path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return err
	}
	if about.IsDir() {
		_, err = file.ReadDir(1)
	} else {
		_, err = file.Read(make([]byte, 64))
	}
	if errors.Is(err, io.EOF) {
		return errors.New("empty")
	}
	return err
}

// opensAny tries to open the files of a folder for writing, a bounded number of them.
func opensAny(folder string) error {
	const most = 3000
	deadline := time.Now().Add(2 * time.Second)
	opened, seen := errNothing, 0
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case seen > most || time.Now().After(deadline):
			return fs.SkipAll
		case err != nil || strings.HasPrefix(path, "/sys/fs/cgroup"):
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
		case entry.Type().IsRegular():
			seen++
			if opened = opensForWriting(path); opened == nil {
				return fs.SkipAll
			}
		}
		return nil
	})
	return opened
}

func opensDevice(path string, flags int) error {
	file, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return unix.Close(file)
}

// countsEvents has the kernel count the time that this thread runs.
func countsEvents() error {
	about := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK,
		Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	about.Size = uint32(unsafe.Sizeof(about))
	event, err := unix.PerfEventOpen(&about, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(event)
	if read, err := unix.Read(event, make([]byte, 8)); err != nil || read != 8 {
		return fmt.Errorf("opened, but read %d bytes: %w", read, err)
	}
	return nil
}

// makesMap makes a map with one element for BPF programs. It goes with its descriptor.
func makesMap() error {
	// The first fields of union bpf_attr: map_type (array), key_size, value_size, max_entries.
	about := [4]uint32{2, 4, 4, 1}
	const mapCreate = 0
	made, _, failed := unix.Syscall(unix.SYS_BPF, mapCreate, uintptr(unsafe.Pointer(&about)), unsafe.Sizeof(about))
	if failed != 0 {
		return failed
	}
	return unix.Close(int(made))
}
