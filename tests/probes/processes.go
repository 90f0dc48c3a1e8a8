package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

var processProbes = []probe{
	{"P05", append(namespaceAttempts(), childAttempt("clone3 user", nil, "clone3"))},
	{"P10", []attempt{
		{"see", func(question Question) error { return withProcess(question, func(int) error { return nil }) }},
		{"signal", func(question Question) error {
			return withProcess(question, func(process int) error { return syscall.Kill(process, 0) })
		}},
		{"read its environment", func(question Question) error {
			return withProcess(question, func(process int) error {
				_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", process))
				return err
			})
		}},
	}},
}

// namespaceAttempts ask for each kind of namespace both when a child is made and after.
func namespaceAttempts() []attempt {
	var all []attempt
	for _, kind := range []struct {
		name, link string
		flag       uintptr
	}{
		{"user", "user", unix.CLONE_NEWUSER},
		{"mount", "mnt", unix.CLONE_NEWNS},
		{"net", "net", unix.CLONE_NEWNET},
		{"process", "pid_for_children", unix.CLONE_NEWPID},
		{"cgroup", "cgroup", unix.CLONE_NEWCGROUP},
		{"ipc", "ipc", unix.CLONE_NEWIPC},
		{"name", "uts", unix.CLONE_NEWUTS},
	} {
		differs := func(attributes *syscall.SysProcAttr) func(Question) error {
			return func(Question) error {
				own, err := os.Readlink("/proc/self/ns/" + kind.link)
				if err != nil {
					return err
				}
				return child(attributes, "namespace", kind.link, own)
			}
		}
		all = append(all, attempt{"clone " + kind.name, differs(&syscall.SysProcAttr{Cloneflags: kind.flag})})
		// Who unshared that of processes can make no more threads, without which this program does not run.
		if kind.flag != unix.CLONE_NEWPID {
			all = append(all, attempt{"unshare " + kind.name, differs(&syscall.SysProcAttr{Unshareflags: kind.flag})})
		}
	}
	return all
}

// namespaceDiffers says whether this process is not in its parent's namespace.
func namespaceDiffers(words []string) error {
	own, err := os.Readlink("/proc/self/ns/" + words[0])
	if err != nil {
		return err
	}
	if own == words[1] {
		return errors.New("the same namespace")
	}
	return nil
}

// cloneThree makes a process with the newer call, which filters can't look into.
func cloneThree([]string) error {
	runtime.LockOSThread()
	own, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return err
	}
	// struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls.
	arguments := [8]uint64{unix.CLONE_NEWUSER, 0, 0, 0, uint64(unix.SIGCHLD), 0, 0, 0}
	process, _, failed := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&arguments)), unsafe.Sizeof(arguments), 0)
	if failed != 0 {
		return failed
	}
	if process == 0 {
		// The copy has one thread and no scheduler: nothing but system calls is safe. It waits to be looked at.
		wait := unix.Timespec{Sec: 1}
		_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	defer func() {
		_ = syscall.Kill(int(process), syscall.SIGKILL)
		_, _ = syscall.Wait4(int(process), nil, 0, nil)
	}()
	other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", process))
	if err != nil {
		return err
	}
	if own == other {
		return errors.New("the same namespace")
	}
	return nil
}

// processes are all that this one sees.
func processes() []int {
	var all []int
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		if number, err := strconv.Atoi(filepath.Base(folder)); err == nil {
			all = append(all, number)
		}
	}
	return all
}

// withProcess does something to the other pod's process, if it can be seen.
func withProcess(question Question, try func(int) error) error {
	if question.Process == "" {
		return errors.New("the question names no process")
	}
	all := processes()
	for _, process := range all {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", process))
		if process != os.Getpid() && bytes.Contains(line, []byte(question.Process)) {
			return try(process)
		}
	}
	return fmt.Errorf("not among the %d processes seen", len(all))
}
