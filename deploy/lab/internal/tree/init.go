package tree

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"lazarus-pit.io/lab/internal/place"
)

// ForwardedFD is where the first process and the supervisor have the listener.
const ForwardedFD = 3

// Init is the tree's first process. It sets the tree up, starts the
// supervisor, and collects the dead: every process whose parent died, such as
// a container's shim, becomes its child. When the supervisor ends, so does
// Init, and the kernel ends the rest.
func Init(lab place.Lab) error {
	if os.Getpid() != 1 {
		return errors.New("only `up` starts this")
	}
	if err := setUpMounts(lab); err != nil {
		return fmt.Errorf("mounts: %w", err)
	}
	if err := setUpNetwork(lab); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	forwarded := os.NewFile(ForwardedFD, "forwarded port")
	supervisor, err := os.StartProcess("/proc/self/exe", []string{Name, "supervise", lab.Dir}, &os.ProcAttr{
		Env:   os.Environ(),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, forwarded},
	})
	if err != nil {
		return err
	}
	forwarded.Close()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil && err != syscall.EINTR {
			return err
		}
		if pid == supervisor.Pid {
			return fmt.Errorf("the supervisor ended: exit status %d, signal %d", status.ExitStatus(), status.Signal())
		}
	}
}
