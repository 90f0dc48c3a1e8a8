package main

import (
	"syscall"
	"testing"
)

func TestFlagsMayStandAnywhere(t *testing.T) {
	flags := newFlags("logs")
	follow := flags.Bool("f", false, "")
	words, err := parse(flags, []string{"etcd", "-f"}, 1)
	if err != nil || words[0] != "etcd" || !*follow {
		t.Errorf("%v %v %v", words, *follow, err)
	}
	if _, err := parse(newFlags("logs"), []string{"a", "b"}, 1); err == nil {
		t.Error("a word too many is accepted")
	}
	if _, err := parse(newFlags("logs"), []string{"--no-such"}, 0); err == nil {
		t.Error("an unknown flag is accepted")
	}
}

func TestTheNumberOfNodesHasLimits(t *testing.T) {
	for text, want := range map[string]int{"1": 1, "2": 2, "16": 16} {
		if nodes, err := parseUp([]string{"--nodes", text}); err != nil || nodes != want {
			t.Errorf("%s: %d %v", text, nodes, err)
		}
	}
	for _, text := range []string{"-1", "17", "many"} {
		if _, err := parseUp([]string{"--nodes", text}); err == nil {
			t.Errorf("%s nodes are accepted", text)
		}
	}
}

func TestSignalsByNameAndNumber(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"KILL": syscall.SIGKILL, "sigstop": syscall.SIGSTOP, "9": syscall.SIGKILL, "Term": syscall.SIGTERM,
	} {
		if got, err := parseSignal(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "NOPE", "0", "99"} {
		if _, err := parseSignal(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
