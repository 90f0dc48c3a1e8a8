// Command image packs one static binary into an image archive without Docker
// or a registry:
//
//	image BINARY OUT.tar [--tag NAME:TAG] [--path /lazarus] [--label KEY=VALUE]...
//
// The same input always gives the same digest.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

// labels collects repeated --label KEY=VALUE.
type labels map[string]string

func (l labels) String() string { return fmt.Sprint(map[string]string(l)) }

func (l labels) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return errors.New("write it as KEY=VALUE")
	}
	l[key] = value
	return nil
}

// request is what was asked for on the command line.
type request struct {
	binary, archive string
	tag             string
	path            string // of the binary in the image
	labels          labels
}

// parse accepts flags before, between and after the two names.
func parse(arguments []string) (request, error) {
	asked := request{labels: labels{}}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&asked.tag, "tag", "lazarus-pit:dev", "`name:tag` of the image")
	flags.StringVar(&asked.path, "path", "/lazarus", "`path` of the binary in the image; also its entrypoint")
	flags.Var(asked.labels, "label", "`key=value` label, may be repeated")
	var names []string
	for rest := arguments; ; {
		if err := flags.Parse(rest); err != nil {
			return asked, err
		}
		if flags.NArg() == 0 {
			break
		}
		names = append(names, flags.Arg(0))
		rest = flags.Args()[1:]
	}
	if len(names) != 2 {
		return asked, errors.New("usage: image BINARY OUT.tar [--tag NAME:TAG] [--path /lazarus] [--label KEY=VALUE]...")
	}
	asked.binary, asked.archive = names[0], names[1]
	if !strings.HasPrefix(asked.path, "/") || strings.HasSuffix(asked.path, "/") {
		return asked, fmt.Errorf("--path %s: give the absolute path of a file", asked.path)
	}
	return asked, nil
}

func run(arguments []string) error {
	asked, err := parse(arguments)
	if err != nil {
		return err
	}
	if err := requireStatic(asked.binary); err != nil {
		return err
	}
	binary, err := os.ReadFile(asked.binary)
	if err != nil {
		return err
	}
	made, err := makeImage(binary, asked.path, asked.labels)
	if err != nil {
		return err
	}
	name, err := writeArchive(asked.archive, made, asked.tag)
	if err != nil {
		return err
	}
	digest, err := made.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s@%s %.1f MiB\n", name, digest, float64(len(binary))/(1<<20))
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "image:", err)
		}
		os.Exit(1)
	}
}
