// Command lab runs a real Kubernetes cluster in one airtight tree of
// namespaces on this machine. lab.sh builds and calls it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"lazarus-pit.io/lab/internal/build"
	"lazarus-pit.io/lab/internal/detour"
	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/preflight"
	"lazarus-pit.io/lab/internal/supervise"
	"lazarus-pit.io/lab/internal/tree"
)

const usage = `usage: lab.sh COMMAND

  up [--nodes N] [--network-policy | --no-network-policy]
                           start the lab, or do nothing if it is up. It enforces
                           NetworkPolicies by a small part made for tests, no product;
                           without it they do nothing. The last choice holds
  down [--keep]            end it and remove its data; --keep leaves the data for the next up
  status [-o json]         how its parts are; exit status 1 unless all are ready
  logs PART [-f]           a part's log
  load IMAGE.tar           put an image archive into every node
  kubectl ARGUMENTS...     kubectl for this lab
  stop PART | start PART   keep a part down, let it run again
  signal PART SIGNAL       send a signal to a part, such as KILL or STOP
  node stop NODE [--kill] | node start NODE
                           let a node stand still, or cut its power; run it again
  firewall block --from WHO --to WHO | clear | list
                           cut a node, a pod or an address off; firewall --help says who
  exec-node [--node NODE] -- COMMAND...
                           run a program of this machine inside the lab, with NODE's containerd
  detour                   another way to the API server, which holds one request back; detour --help says how
  writes --user NAME [--since TIME] [--namespace-prefix P] [-o json]
                           count a user's writes to the API server
  image BINARY OUT.tar [--tag NAME:TAG] [--path /lazarus] [--label KEY=VALUE]
        [--user UID:GID] [--file PATH:MODE] [--folder PATH:MODE]
                           pack a static binary into an image
  build                    only build the lab's programs

LAB_DIR is the lab's folder (default: .lab in the project), LAB_CACHE the folder
of the built programs. KUBECONFIG is never read.
`

// errUnhealthy has been explained already.
var errUnhealthy = errors.New("")

// settings are what every command knows.
type settings struct {
	places build.Places
	dir    string
}

func main() {
	// Ctrl-C ends what is under way, and with it cleans up.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := run(ctx, os.Args[1:])
	var wrong usageError
	switch {
	case err == nil:
	case errors.Is(err, errUnhealthy):
		os.Exit(1)
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "lab: %s\n\n%s", wrong, usage)
		os.Exit(2)
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "lab: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return usageError("no command given")
	}
	command, rest := arguments[0], arguments[1:]
	switch command {
	case "help", "-h", "--help":
		fmt.Print(usage)
		return nil
	case tree.InitCommand, "supervise", preflight.ProbeCommand, detour.Command:
		return runHidden(command, rest)
	}
	known, err := resolve()
	if err != nil {
		return err
	}
	switch command {
	case "up":
		return up(ctx, known, rest)
	case "down":
		return down(known, rest)
	case "status":
		return status(known, rest)
	case "logs":
		return logs(known, rest)
	case "load":
		return load(ctx, known, rest)
	case "kubectl":
		return kubectl(known, rest)
	case "stop", "start", "signal":
		return order(known, command, rest)
	case "node":
		return runNode(known, rest)
	case "firewall":
		return runFirewall(known, rest)
	case "exec-node":
		return execNode(known, rest)
	case "detour":
		return runDetour(known, rest)
	case "writes":
		return countWrites(known, rest)
	case "image":
		return image(ctx, known, rest)
	case "build":
		_, err := build.All(ctx, known.places)
		return err
	default:
		return usageError(fmt.Sprintf("no command %q", command))
	}
}

// runHidden is for the commands that the program calls itself by.
func runHidden(command string, rest []string) error {
	if len(rest) != 1 {
		return usageError(command + " is not for people")
	}
	if command == preflight.ProbeCommand {
		return preflight.Probe(rest[0])
	}
	if command == detour.Command {
		return detour.Serve(rest[0])
	}
	if command == tree.InitCommand {
		lab, err := place.Open(rest[0])
		if err != nil {
			return err
		}
		return tree.Init(lab)
	}
	lab, err := place.Open(place.Inside)
	if err != nil {
		return err
	}
	for _, folder := range []string{place.ControlBuild, place.NodeBuild, place.AddonsBuild} {
		if err := build.Hold(folder); err != nil {
			return err
		}
	}
	return supervise.Run(lab, os.NewFile(tree.ForwardedFD, "forwarded port"))
}

// resolve reads the environment that lab.sh sets.
func resolve() (settings, error) {
	var known settings
	known.places.Source = os.Getenv("LAB_SOURCE")
	known.dir = os.Getenv("LAB_DIR")
	if known.places.Source == "" || known.dir == "" {
		return known, errors.New("LAB_SOURCE and LAB_DIR are not set: call deploy/lab/lab.sh")
	}
	cache, err := build.DefaultCache()
	known.places.Cache = cache
	return known, err
}
