// Command image packs one static binary into an image archive without Docker
// or a registry:
//
//	image BINARY OUT.tar [--tag NAME:TAG] [--path /lazarus] [--label KEY=VALUE]...
//	      [--user UID:GID] [--file PATH:MODE]... [--folder PATH:MODE]...
//
// --file is a further copy of the binary. All files are root's.
//
// The same input always gives the same digest.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
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

// entries collects repeated --file PATH:MODE or --folder PATH:MODE.
type entries struct {
	list   *[]entry
	folder bool
}

func (e entries) String() string { return "" }

func (e entries) Set(text string) error {
	name, octal, _ := strings.Cut(text, ":")
	mode, err := strconv.ParseUint(octal, 8, 12)
	if err != nil || !strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") {
		return errors.New("write it as /PATH:MODE with an octal mode")
	}
	*e.list = append(*e.list, entry{name: name, mode: int64(mode), folder: e.folder})
	return nil
}

// request is what was asked for on the command line.
type request struct {
	binary, archive string
	tag             string
	content         content
}

// parse accepts flags before, between and after the two names.
func parse(arguments []string) (request, error) {
	asked := request{content: content{labels: labels{}}}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&asked.tag, "tag", "lazarus-pit:dev", "`name:tag` of the image")
	flags.StringVar(&asked.content.path, "path", "/lazarus", "`path` of the binary in the image; also its entrypoint")
	flags.StringVar(&asked.content.user, "user", fmt.Sprintf("%[1]d:%[1]d", userID), "`uid:gid` that the image runs as")
	flags.Var(asked.content.labels, "label", "`key=value` label, may be repeated")
	flags.Var(entries{list: &asked.content.more}, "file", "`path:mode` of a further copy of the binary, may be repeated")
	flags.Var(entries{list: &asked.content.more, folder: true}, "folder", "`path:mode` of an empty folder, may be repeated")
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
		return asked, errors.New("usage: image BINARY OUT.tar [--tag NAME:TAG] [--path /lazarus] [--label KEY=VALUE]... " +
			"[--user UID:GID] [--file PATH:MODE]... [--folder PATH:MODE]...")
	}
	asked.binary, asked.archive = names[0], names[1]
	if path := asked.content.path; !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
		return asked, fmt.Errorf("--path %s: give the absolute path of a file", path)
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
	asked.content.binary = binary
	made, err := makeImage(asked.content)
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
