package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lazarus-pit.io/lab/internal/place"
)

// usageError is a mistake on the command line.
type usageError string

func (e usageError) Error() string { return string(e) }

// parse accepts flags before, between and after exactly count other words.
func parse(flags *flag.FlagSet, arguments []string, count int) ([]string, error) {
	flags.SetOutput(io.Discard)
	var words []string
	for rest := arguments; ; {
		if err := flags.Parse(rest); err != nil {
			return nil, usageError(flags.Name() + ": " + err.Error())
		}
		if flags.NArg() == 0 {
			break
		}
		words = append(words, flags.Arg(0))
		rest = flags.Args()[1:]
	}
	if len(words) != count {
		return nil, usageError(fmt.Sprintf("%s takes %d words, not %d", flags.Name(), count, len(words)))
	}
	return words, nil
}

func newFlags(command string) *flag.FlagSet { return flag.NewFlagSet(command, flag.ContinueOnError) }

// parseUp returns 0 nodes if none were asked for.
func parseUp(arguments []string) (nodes int, err error) {
	flags := newFlags("up")
	flags.IntVar(&nodes, "nodes", 0, "")
	if _, err := parse(flags, arguments, 0); err != nil {
		return 0, err
	}
	if nodes < 0 || nodes > place.MaxNodes {
		return 0, usageError(fmt.Sprintf("up --nodes %d: 1 to %d", nodes, place.MaxNodes))
	}
	return nodes, nil
}

// parseSignal takes KILL, SIGKILL or 9.
func parseSignal(text string) (syscall.Signal, error) {
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if number := unix.SignalNum(name); number != 0 {
		return number, nil
	}
	var number int
	if _, err := fmt.Sscanf(text, "%d", &number); err == nil && number > 0 && number < 65 {
		return syscall.Signal(number), nil
	}
	return 0, usageError(fmt.Sprintf("no signal %q", text))
}
