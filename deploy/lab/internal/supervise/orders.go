package supervise

import (
	"fmt"
	"syscall"
	"time"
)

// want starts or stops the part and returns when that is done. Starting
// returns as soon as the part is being started.
func (r *runner) want(on bool) error {
	r.mutex.Lock()
	r.wanted = on
	process := r.process
	r.mutex.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	if on || process == nil {
		return nil
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		return nil // it has just ended
	}
	deadline := time.Now().Add(stopGrace)
	for {
		if r.snapshot().State == Stopped {
			return nil
		}
		if time.Now().After(deadline) {
			_ = process.Kill()
			deadline = time.Now().Add(stopGrace)
		}
		time.Sleep(pollStarting)
	}
}

// signal sends a signal to the part's process.
func (r *runner) signal(number syscall.Signal) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.process == nil {
		return fmt.Errorf("%s does not run", r.part.Name)
	}
	return r.process.Signal(number)
}
