package build

import (
	"fmt"
	"sync"
	"time"
)

const reportEvery = 10 * time.Second

// reporter prints how far one step is.
type reporter struct {
	step  step
	began time.Time
	done  chan struct{}

	mutex     sync.Mutex
	downloads int
	packages  int
	all       int // 0 until known
}

func newReporter(step step) *reporter {
	r := &reporter{step: step, began: time.Now(), done: make(chan struct{})}
	fmt.Printf("[%d/%d] %s: compiling\n", step.number, stepCount, step.title)
	go func() {
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		for {
			select {
			case <-r.done:
				return
			case <-ticker.C:
				fmt.Println(r.line())
			}
		}
	}()
	return r
}

func (r *reporter) line() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	line := fmt.Sprintf("[%d/%d] %s: compiling, %s, %d", r.step.number, stepCount, r.step.title, r.elapsed(), r.packages)
	// Packages that Go's own cache has are not compiled, so this may end early.
	if r.all > 0 {
		line += fmt.Sprintf(" of at most %d", r.all)
	}
	line += " packages"
	if r.downloads > 0 {
		line += fmt.Sprintf(", %d modules downloaded", r.downloads)
	}
	return line
}

func (r *reporter) finish(err error) {
	close(r.done)
	outcome := "done in"
	if err != nil {
		outcome = "failed after"
	}
	fmt.Printf("[%d/%d] %s: %s %s\n", r.step.number, stepCount, r.step.title, outcome, r.elapsed())
}

func (r *reporter) elapsed() time.Duration { return time.Since(r.began).Round(time.Second) }

func (r *reporter) compiled()   { r.add(&r.packages) }
func (r *reporter) downloaded() { r.add(&r.downloads) }

func (r *reporter) add(counter *int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	*counter++
}

func (r *reporter) total(count int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.all = count
}
