// Package supervise keeps a lab's parts running: it starts them in order,
// restarts those that die, answers for them on a unix socket, and forwards the
// API server's port. It runs inside the lab's tree.
package supervise

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"lazarus-pit.io/lab/internal/parts"
	"lazarus-pit.io/lab/internal/place"
)

const (
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 10 * time.Second
	// A part that ran this long starts again with the first backoff.
	settled = 30 * time.Second
	// How long a part may take to end by itself when told to stop.
	stopGrace = 2 * time.Second

	pollStarting = 50 * time.Millisecond
	pollRunning  = 2 * time.Second
)

// State of a part, as `status` prints it.
type State string

// The states, in the order a part goes through them.
const (
	Waiting  State = "waiting"  // for the parts it comes after
	Starting State = "starting" // runs, not ready yet
	Ready    State = "ready"
	Backoff  State = "backoff" // died, will be restarted
	Stopped  State = "stopped" // by `stop`
)

// Status is what is known of one part.
type Status struct {
	Name     string        `json:"name"`
	State    State         `json:"state"`
	Check    bool          `json:"check,omitempty"` // no program, only a state to wait for
	PID      int           `json:"pid,omitempty"`   // inside the tree
	Restarts int           `json:"restarts"`
	ReadyIn  time.Duration `json:"readyIn,omitempty"` // from the lab's start to first being ready, ns
	Message  string        `json:"message,omitempty"` // why it isn't ready, or how it last ended
}

// runner keeps one part running.
type runner struct {
	part  parts.Part
	began time.Time
	// once is closed when the part has been ready for the first time.
	once chan struct{}
	wake chan struct{}

	mutex   sync.Mutex
	status  Status
	wanted  bool // false after `stop`
	process *os.Process
}

func newRunner(part parts.Part, began time.Time) *runner {
	return &runner{
		part: part, began: began, wanted: true,
		once: make(chan struct{}), wake: make(chan struct{}, 1),
		status: Status{Name: part.Name, State: Waiting, Check: part.IsCheck()},
	}
}

func (r *runner) snapshot() Status {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.status
}

func (r *runner) change(apply func(*Status)) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	apply(&r.status)
}

// run returns when the context ends.
func (r *runner) run(ctx context.Context, after []*runner) {
	for _, earlier := range after {
		select {
		case <-earlier.once:
		case <-ctx.Done():
			return
		}
	}
	if r.part.IsCheck() {
		r.watch(ctx)
		return
	}
	backoff := firstBackoff
	for ctx.Err() == nil {
		if !r.isWanted() {
			r.change(func(s *Status) { s.State, s.PID, s.Message = Stopped, 0, "stopped by hand" })
			r.sleep(ctx, time.Hour)
			continue
		}
		started := time.Now()
		err := r.runOnce(ctx)
		if !r.isWanted() {
			backoff = firstBackoff
			continue
		}
		if time.Since(started) > settled {
			backoff = firstBackoff
		}
		r.change(func(s *Status) {
			s.State, s.PID, s.Message = Backoff, 0, fmt.Sprint("ended: ", err)
			s.Restarts++
		})
		fmt.Printf("%s ended (%v), restarting it in %s\n", r.part.Name, err, backoff)
		r.sleep(ctx, backoff)
		backoff = min(2*backoff, lastBackoff)
	}
}

func (r *runner) runOnce(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(place.Inside, "logs", r.part.Name+".log"),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(filepath.Join(place.Programs, r.part.Program), r.part.Args...)
	command.Stdout, command.Stderr = log, log
	// Its own group: a signal to the supervisor's is not meant for the parts.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return err
	}
	r.mutex.Lock()
	r.process = command.Process
	r.status.State, r.status.PID, r.status.Message = Starting, command.Process.Pid, ""
	r.mutex.Unlock()

	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); r.watch(watching) }()
	err = command.Wait()
	stop()
	<-watched
	r.mutex.Lock()
	r.process = nil
	r.mutex.Unlock()
	if err == nil {
		err = fmt.Errorf("exit status 0")
	}
	return err
}

// watch asks again and again whether the part is ready.
func (r *runner) watch(ctx context.Context) {
	prepared := r.part.Prepare == nil
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := r.part.Ready(asking)
		if err == nil && !prepared {
			if err = r.part.Prepare(asking); err == nil {
				prepared = true
			}
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
		pause := pollStarting
		if err == nil {
			r.isReady()
			pause = pollRunning
		} else {
			r.change(func(s *Status) { s.State, s.Message = Starting, err.Error() })
		}
		r.sleep(ctx, pause)
	}
}

func (r *runner) isReady() {
	r.change(func(s *Status) {
		s.State, s.Message = Ready, ""
		if s.ReadyIn == 0 {
			s.ReadyIn = time.Since(r.began)
			close(r.once)
		}
	})
}

func (r *runner) isWanted() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.wanted
}

// sleep ends early when the part is told to start or stop.
func (r *runner) sleep(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-r.wake:
	}
}
