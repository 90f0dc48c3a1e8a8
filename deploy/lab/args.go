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

// upOrder is what was asked for on the command line. What was not stays as it is.
type upOrder struct {
	nodes                int // 0: not asked for
	enforced, unenforced bool
}

func parseUp(arguments []string) (upOrder, error) {
	var order upOrder
	flags := newFlags("up")
	flags.IntVar(&order.nodes, "nodes", 0, "")
	flags.BoolVar(&order.enforced, "network-policy", false, "")
	flags.BoolVar(&order.unenforced, "no-network-policy", false, "")
	if _, err := parse(flags, arguments, 0); err != nil {
		return order, err
	}
	if order.nodes < 0 || order.nodes > place.MaxNodes {
		return order, usageError(fmt.Sprintf("up --nodes %d: 1 to %d", order.nodes, place.MaxNodes))
	}
	if order.enforced && order.unenforced {
		return order, usageError("up: --network-policy or --no-network-policy, not both")
	}
	return order, nil
}

// apply changes what the lab was asked for before.
func (order upOrder) apply(lab place.Lab) place.Lab {
	if order.nodes != 0 {
		lab.Nodes = order.nodes
	}
	if order.enforced || order.unenforced {
		lab.Unenforced = order.unenforced
	}
	return lab
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
