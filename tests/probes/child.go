package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// childPatience is how long a child may take. None waits for anything, so only
// a pod that gets very little of the processor comes near it.
const childPatience = 30 * time.Second

// What a child's end says of the attempt.
const (
	exitWorked = iota
	exitStopped
	// 2 is Go's own, for a panic.
	exitUnknown = 3
)

// innerActions are the attempts that change the process or that it may not
// survive: the program runs itself once more to make them.
var innerActions = map[string]func(words []string) error{
	"nothing":    func([]string) error { return nil },
	"euid":       gainedRoot,
	"setuid":     becomeRoot,
	"setgroups":  joinGroup,
	"namespace":  namespaceDiffers,
	"clone3":     cloneThree,
	"bind":       mountBind,
	"unmount":    unmountExpiring,
	"pivot":      pivotRoot,
	"fsopen":     mountDetached,
	"opentree":   cloneTree,
	"filesystem": mountFilesystem,
	"unmask":     unmask,
	"freshproc":  freshProc,
	"remount":    remountShared,
	"syscall":    answered,
}

// inner does what one word asks for and says on standard output what stopped it.
func inner(words []string) int {
	if len(words) == 0 {
		return exitUnknown
	}
	action, known := innerActions[words[0]]
	if !known {
		return exitUnknown
	}
	if err := action(words[1:]); err != nil {
		fmt.Println(err)
		return exitStopped
	}
	return exitWorked
}

// childAttempt leaves the attempt to a child that starts as the attributes say.
func childAttempt(name string, attributes *syscall.SysProcAttr, words ...string) attempt {
	return attempt{name, func(Question) error { return child(attributes, words...) }}
}

// child runs this program once more. It returns no error if what the words ask for worked.
func child(attributes *syscall.SysProcAttr, words ...string) error {
	return childOf("/proc/self/exe", childPatience, attributes, words...)
}

// errStillRunning is of a child that had to be killed.
var errStillRunning = unable{errors.New("no end in time")}

// errBadCall is of a child whose system call was answered with its death.
var errBadCall = errors.New("killed for its system call")

func childOf(program string, patience time.Duration, attributes *syscall.SysProcAttr, words ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var said, failed bytes.Buffer
	command := exec.CommandContext(ctx, program, append([]string{"inner"}, words...)...)
	command.Stdout, command.Stderr = &said, &failed
	command.SysProcAttr = attributes
	command.WaitDelay = time.Second
	err := command.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return errStillRunning
	}
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return fmt.Errorf("start: %w", cause(err))
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGSYS {
		return errBadCall
	}
	// The runtime catches SIGSYS where the filter lets it.
	if strings.Contains(failed.String(), "SIGSYS") {
		return errBadCall
	}
	if ended.ExitCode() == exitStopped {
		return errStopped(strings.TrimSpace(said.String()))
	}
	return fmt.Errorf("child: %w", err)
}

// errStopped is what a child said of what stopped it.
type errStopped string

func (e errStopped) Error() string { return string(e) }

// ownUser makes a child root of a user namespace of its own, with these further namespaces.
func ownUser(namespaces uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | namespaces,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}

// cause is the innermost error: what the kernel answered, without the path.
func cause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
