package tree

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"lazarus-pit.io/lab/internal/place"
)

// Listen opens the port on the machine's 127.0.0.1 that leads to the API
// server: the one the lab had before if it is still free, else any.
func Listen(lab *place.Lab) (*os.File, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lab.Port))
	if err != nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	defer listener.Close()
	lab.Port = listener.Addr().(*net.TCPAddr).Port
	return listener.(*net.TCPListener).File()
}

// Spawn starts the lab's tree in the background and returns the process
// number of its first process. The tree outlives the caller.
func Spawn(lab place.Lab, forwarded *os.File) (int, error) {
	if err := os.MkdirAll(lab.Path("logs"), 0o755); err != nil {
		return 0, err
	}
	log, err := os.OpenFile(lab.Path("logs", "supervisor.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	command := exec.Command("/proc/self/exe")
	command.Args = []string{Name, InitCommand, lab.Dir}
	command.Dir = "/"
	command.Env = []string{
		"PATH=" + place.Programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
	}
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{forwarded}
	command.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
	}
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("make the lab's namespaces: %w", err)
	}
	pid := command.Process.Pid
	// Collect it if it dies while this program still runs.
	go func() { _ = command.Wait() }()
	return pid, nil
}
