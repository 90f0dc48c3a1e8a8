// Command probe attacks, from within a pod, what an isolation level protects.
//
//	probe lab          run all of it in the lab: what `make probes` does
//	probe agent        in a pod: be an agent that attacks when it is asked to
//	probe ask          in the same pod: hand a question on standard input to the agent
//	probe target       in a pod: be what is attacked over the network
//	probe reach PLACE  say whether "tcp ADDRESS:PORT" answers
//
// Each probe is tried where nothing stops it too: one that can't succeed shows nothing.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = "usage: probe lab | agent [--hide TEXT] | ask | target | reach PROTOCOL ADDRESS:PORT"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("%s", usage)
	}
	switch command, rest := words[0], words[1:]; command {
	case "lab":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return attackLab(ctx)
	case "agent":
		return beAgent(rest)
	case "ask":
		return ask(os.Stdin, os.Stdout)
	case "target":
		return beTarget()
	case "reach":
		return reach(strings.Join(rest, " "))
	case "threads":
		return makeThreads()
	case "inner":
		os.Exit(inner(rest))
	case "-h", "--help", "help":
		fmt.Println(usage)
		return nil
	}
	return fmt.Errorf("no command %q; %s", words[0], usage)
}
