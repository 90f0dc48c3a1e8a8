// Package tree is the namespaces a lab lives in: one process tree with its own
// network, mounts and process numbers. When its first process dies, the kernel
// ends everything in it, so there is one thing to find and one thing to kill.
package tree

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"lazarus-pit.io/lab/internal/place"
)

// Name and InitCommand are the first words of the first process's command
// line; the lab folder is the third.
const (
	Name        = "lazarus-lab"
	InitCommand = "init"
)

// Find returns the process number of the lab's first process, or 0. It asks
// the process table and no file, for a file can be gone or out of date.
func Find(lab place.Lab) (int, error) {
	return findIn("/proc", lab.Dir)
}

func findIn(proc, dir string) (int, error) {
	want := []byte(Name + "\x00" + InitCommand + "\x00" + dir + "\x00")
	lines, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "cmdline"))
	if err != nil {
		return 0, err
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(line, want) {
			continue // it ended meanwhile, or is another program
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && !gone(proc, pid) {
			return pid, nil
		}
	}
	return 0, nil
}

// gone is also true of a dead process that its parent has not asked about.
func gone(proc string, pid int) bool {
	text, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	// The state follows the name, which is in parentheses and may hold any sign.
	end := bytes.LastIndexByte(text, ')')
	return end < 0 || end+2 >= len(text) || text[end+2] == 'Z' || text[end+2] == 'X'
}

// Alive says whether the lab's first process still runs.
func Alive(pid int) bool { return !gone("/proc", pid) }

// Kill ends the tree and waits until the kernel has ended all of it.
func Kill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		return err
	}
	deadline := time.Now().Add(20 * time.Second)
	for !gone("/proc", pid) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not die: see `ps -fp %d`", pid, pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}
