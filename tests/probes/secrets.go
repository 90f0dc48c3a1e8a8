package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

var secretProbes = []probe{
	{"P20", []attempt{
		{"by its path", func(question Question) error { return connects(sockets(question)) }},
		{"through /proc", func(question Question) error {
			var paths []string
			for _, socket := range sockets(question) {
				paths = append(paths, throughProcesses(socket)...)
			}
			return connects(paths)
		}},
		{"upwards", func(question Question) error {
			return firstOf(sockets(question), func(socket string) error {
				return throughLink("/workspace/"+climb+strings.TrimPrefix(socket, "/"), connect)
			})
		}},
	}},
	{"P21", []attempt{
		{"where tokens are", func(Question) error {
			places := []string{tokenFile, "/run/secrets/kubernetes.io/serviceaccount/token"}
			return firstOf(append(places, throughProcesses(tokenFile)...), hasToken)
		}},
		{"in the environment", func(Question) error {
			return inEnvironment(func(_, value string) bool { return token.MatchString(value) })
		}},
		{"in any volume", func(Question) error {
			return searchMounts(func(path string) bool { return hasToken(path) == nil })
		}},
	}},
	{"P32", []attempt{{"variables of Services", func(Question) error {
		return inEnvironment(func(name, _ string) bool {
			// Every pod is told of the API server.
			return strings.HasSuffix(name, "_SERVICE_HOST") && name != "KUBERNETES_SERVICE_HOST"
		})
	}}}},
	{"P33", []attempt{
		{"in the environment", func(question Question) error {
			if question.Secret == "" {
				return errNoSecret
			}
			return inEnvironment(func(_, value string) bool { return strings.Contains(value, question.Secret) })
		}},
		{"in any volume", func(question Question) error {
			if question.Secret == "" {
				return errNoSecret
			}
			return searchMounts(func(path string) bool { return holds(path, question.Secret) == nil })
		}},
	}},
}

const tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

var errNoSecret = errors.New("the question has no secret")

// token is what a signed token looks like, whoever it is for.
var token = regexp.MustCompile(`eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}`)

func hasToken(path string) error {
	content, err := readStart(path)
	if err != nil {
		return err
	}
	if !token.Match(content) {
		return errors.New("no token")
	}
	return nil
}

func inEnvironment(wanted func(name, value string) bool) error {
	variables := os.Environ()
	if slices.ContainsFunc(variables, func(variable string) bool {
		name, value, _ := strings.Cut(variable, "=")
		return wanted(name, value)
	}) {
		return nil
	}
	return fmt.Errorf("not in %d variables", len(variables))
}

// sockets are those that the question names, and where other runtimes have theirs.
func sockets(question Question) []string {
	return append(slices.Clone(question.Sockets),
		"/run/containerd/containerd.sock", "/var/run/containerd/containerd.sock", "/var/run/docker.sock",
		"/run/crio/crio.sock", "/var/run/cri-dockerd.sock")
}

func connects(paths []string) error { return firstOf(paths, connect) }

func connect(path string) error {
	connection, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return err
	}
	return connection.Close()
}
