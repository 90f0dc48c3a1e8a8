// Command egress shows how agents reach a model whose key they don't have:
//
//	egress credentials FOLDER NAME
//	egress model --certificate FILE --private-key FILE --key FILE [--listen ADDRESS]
//	egress proxy --model NAME:PORT --key FILE --trust FILE --authority FILE --authority-key FILE
//	      [--allow NAME:PORT]... [--listen ADDRESS]
//
// model is a fake: it answers who has the key. proxy is a forward proxy, such
// as HTTPS_PROXY names, that has it. credentials makes what the two need.
//
// It is made for the demo. docs/how-to/isolate-a-mission.md names proxies for
// more than that.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

// addresses collects repeated NAME:PORT.
type addresses []string

func (a *addresses) String() string { return strings.Join(*a, " ") }

func (a *addresses) Set(text string) error {
	*a = append(*a, text)
	return nil
}

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "egress:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("say credentials, model or proxy")
	}
	switch command, rest := arguments[0], arguments[1:]; command {
	case "credentials":
		if len(rest) != 2 {
			return errors.New("usage: egress credentials FOLDER NAME")
		}
		return makeCredentials(rest[0], rest[1])
	case "model":
		return runModel(rest)
	case "proxy":
		return runProxy(rest)
	default:
		return fmt.Errorf("no command %q: say credentials, model or proxy", command)
	}
}

func runModel(arguments []string) error {
	flags := flag.NewFlagSet("model", flag.ContinueOnError)
	listen := flags.String("listen", ":8443", "`address` to listen on")
	certificate := flags.String("certificate", "", "`file` with its certificate")
	private := flags.String("private-key", "", "`file` with the private key of the certificate")
	key := flags.String("key", "", "`file` with the key that it wants to see")
	if err := parse(flags, arguments); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *private)
	if err != nil {
		return err
	}
	model := server(*listen, newModel(keyIn(*key)))
	model.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	return model.ListenAndServeTLS("", "")
}

func runProxy(arguments []string) error {
	var allowed addresses
	flags := flag.NewFlagSet("proxy", flag.ContinueOnError)
	listen := flags.String("listen", ":3128", "`address` to listen on")
	model := flags.String("model", "", "`name:port` of the model; requests to it get the key")
	key := flags.String("key", "", "`file` with the key")
	trust := flags.String("trust", "", "`file` with the certificates that vouch for the model")
	authority := flags.String("authority", "", "`file` with the certificate that agents trust")
	authorityKey := flags.String("authority-key", "", "`file` with the private key of that certificate")
	flags.Var(&allowed, "allow", "`name:port` that agents reach too, without the key; may be repeated")
	if err := parse(flags, arguments); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*authority, *authorityKey)
	if err != nil {
		return err
	}
	trusted, err := certificatesIn(*trust)
	if err != nil {
		return err
	}
	handler, err := newProxy(rules{
		model: *model, allowed: allowed, key: keyIn(*key), authority: pair, trusted: trusted,
	})
	if err != nil {
		return err
	}
	return server(*listen, handler).ListenAndServe()
}

// parse wants nothing beside flags, and none of them empty.
func parse(flags *flag.FlagSet, arguments []string) error {
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no word %q", flags.Name(), flags.Arg(0))
	}
	var missing error
	flags.VisitAll(func(each *flag.Flag) {
		if each.Value.String() == "" && each.Name != "allow" {
			missing = fmt.Errorf("%s needs --%s", flags.Name(), each.Name)
		}
	})
	return missing
}

func server(listen string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr: listen, Handler: handler,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

// keyIn reads the file anew each time: a changed Secret needs no restart.
func keyIn(file string) func() (string, error) {
	return func() (string, error) {
		text, err := os.ReadFile(file)
		key := strings.TrimSpace(string(text))
		if err == nil && key == "" {
			err = fmt.Errorf("%s is empty", file)
		}
		return key, err
	}
}
