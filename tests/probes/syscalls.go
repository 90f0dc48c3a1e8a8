package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lastCall is the highest number that is tried: listns, of Linux 6.19.
const lastCall = 470

const (
	// callPatience is how long a call may take before it counts as answered: the filter refuses at once.
	callPatience = time.Second
	// A whole child gets longer, so that a slow machine changes no answer.
	callChildPatience = time.Minute
	callsAtOnce       = 4
)

// untried are calls that end, stop or fork the child whatever the arguments
// are, or for which -1 means something. Which calls are tried is the same at
// every level, so that the numbers can be compared.
var untried = append([]int{
	unix.SYS_EXIT,
	unix.SYS_EXIT_GROUP,
	unix.SYS_RT_SIGRETURN,  // returns to nowhere
	unix.SYS_RT_SIGSUSPEND, // waits for ever
	unix.SYS_CLONE,
	unix.SYS_REBOOT,
	unix.SYS_VHANGUP, // takes the terminal from others
	unix.SYS_SYNC,    // has the node write out all it has
	unix.SYS_KILL,    // -1 is everyone
	unix.SYS_MSGGET,  // -1 makes a queue, which stays
	// The kernel itself refuses it before no_new_privs, so the number would grow with the level.
	unix.SYS_LANDLOCK_RESTRICT_SELF,
}, untriedHere...)

// answeredSyscalls is how many system calls the pod's filter lets through to
// an answer other than EPERM and ENOSYS, and which are refused.
func answeredSyscalls() (int, string) {
	var (
		refused []int
		lock    sync.Mutex
		group   sync.WaitGroup
	)
	tried := 0
	places := make(chan struct{}, callsAtOnce)
	for number := range lastCall + 1 {
		if slices.Contains(untried, number) || number >= firstUnused && number <= lastUnused {
			continue
		}
		tried++
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			err := childOf("/proc/self/exe", callChildPatience, nil, "syscall", strconv.Itoa(number))
			var stopped errStopped
			if errors.As(err, &stopped) || errors.Is(err, errBadCall) {
				lock.Lock()
				defer lock.Unlock()
				refused = append(refused, number)
			}
		})
	}
	group.Wait()
	slices.Sort(refused)
	return tried - len(refused), fmt.Sprintf("%d of %d system calls are answered; refused: %s", tried-len(refused), tried, ranges(refused))
}

// answered makes one system call. With -1 for each argument there is no such
// file, process or memory, and no call has a meaning for all flags at once.
func answered(words []string) error {
	number, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	// A call that waits was let through.
	time.AfterFunc(callPatience, func() { os.Exit(exitWorked) })
	const none = ^uintptr(0)
	_, _, failed := unix.Syscall6(uintptr(number), none, none, none, none, none, none)
	if failed == unix.EPERM || failed == unix.ENOSYS {
		return failed
	}
	return nil
}
