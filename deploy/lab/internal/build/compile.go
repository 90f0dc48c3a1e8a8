package build

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// compilation is one call of go build.
type compilation struct {
	module   string
	output   string // a file, or a folder if it ends in a slash
	packages []string
	stamp    string // linker flags that set versions
	tags     string
	cgo      bool
}

func compileGo(ctx context.Context, report *reporter, what compilation) error {
	environment := goEnvironment(what.cgo)
	counting, stop := context.WithCancel(ctx)
	defer stop()
	go countPackages(counting, report, what, environment)

	arguments := []string{"build", "-v", "-buildvcs=false", "-trimpath", "-tags", what.tags,
		"-ldflags", "-s -w " + what.stamp, "-o", what.output}
	command := exec.CommandContext(ctx, "go", append(arguments, what.packages...)...)
	command.Dir = what.module
	command.Env = environment
	// Its own group, so that compilers end with it when the call is interrupted.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	output, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	var complaints []string
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "go: downloading "):
			report.downloaded()
		case isPackage(line):
			report.compiled()
		default:
			complaints = append(complaints, line)
		}
	}
	if err := command.Wait(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("go build in %s: %w\n%s", what.module, err, strings.Join(complaints, "\n"))
	}
	return nil
}

// isPackage tells the lines of -v, which are bare package paths, from errors.
func isPackage(line string) bool {
	return line != "" && !strings.ContainsAny(line, " \t:#")
}

// goEnvironment keeps settings of the caller's workspace out of the build.
func goEnvironment(cgo bool) []string {
	enabled := "CGO_ENABLED=0"
	if cgo {
		enabled = "CGO_ENABLED=1"
	}
	return append(os.Environ(), enabled, "GOWORK=off", "GOFLAGS=-mod=readonly")
}

// countPackages tells the reporter how many packages there are in all. It
// takes seconds, so it runs beside the build.
func countPackages(ctx context.Context, report *reporter, what compilation, environment []string) {
	arguments := append([]string{"list", "-deps", "-tags", what.tags, "-f", "{{.ImportPath}}"}, what.packages...)
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = what.module
	command.Env = environment
	if text, err := command.Output(); err == nil {
		report.total(strings.Count(string(text), "\n"))
	}
}
