package main

import (
	"slices"
	"syscall"
	"testing"

	"lazarus-pit.io/lab/internal/place"
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
		if order, err := parseUp([]string{"--nodes", text}); err != nil || order.nodes != want {
			t.Errorf("%s: %+v %v", text, order, err)
		}
	}
	for _, text := range []string{"-1", "17", "many"} {
		if _, err := parseUp([]string{"--nodes", text}); err == nil {
			t.Errorf("%s nodes are accepted", text)
		}
	}
}

func TestWhetherPoliciesAreEnforcedStaysAsItWas(t *testing.T) {
	for _, each := range []struct {
		before    bool
		arguments []string
		want      bool
	}{
		{false, nil, false}, {true, nil, true}, {true, []string{"--nodes", "2"}, true},
		{false, []string{"--no-network-policy"}, true}, {true, []string{"--network-policy"}, false},
	} {
		order, err := parseUp(each.arguments)
		if got := order.apply(place.Lab{Unenforced: each.before}).Unenforced; err != nil || got != each.want {
			t.Errorf("%+v: unenforced is %v, %v", each, got, err)
		}
	}
	if _, err := parseUp([]string{"--network-policy", "--no-network-policy"}); err == nil {
		t.Error("both at once are accepted")
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

func TestAFirewallOrderIsWhole(t *testing.T) {
	for _, good := range [][]string{
		{"block", "--from", "lab-2", "--to", "api"}, {"--from=a", "clear", "--to=b"}, {"clear"}, {"list"}, {"list", "-o", "json"},
	} {
		if _, err := parseFirewall(good); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, wrong := range [][]string{
		{"block"}, {"block", "--from", "lab-2"}, {"block", "--to", "api"}, {"clear", "--from", "a"}, {"list", "--to", "b"},
		{"list", "-o", "yaml"}, {"open"}, {"block", "lab-2", "api"},
	} {
		if order, err := parseFirewall(wrong); err == nil {
			t.Errorf("%v is accepted: %+v", wrong, order)
		}
	}
}

func TestANodeOrderIsWhole(t *testing.T) {
	order, err := parseNode([]string{"stop", "lab-2", "--kill"})
	if want := (nodeOrder{"stop", "lab-2", true}); err != nil || order != want {
		t.Errorf("%+v %v", order, err)
	}
	for _, wrong := range [][]string{{"stop"}, {"start", "lab-2", "--kill"}, {"kill", "lab-2"}, {"stop", "lab-1", "lab-2"}} {
		if order, err := parseNode(wrong); err == nil {
			t.Errorf("%v is accepted: %+v", wrong, order)
		}
	}
	lab := place.Lab{Nodes: 2}
	if node, err := findNode(lab, "lab-2"); err != nil || node.Number != 2 {
		t.Errorf("%+v %v", node, err)
	}
	if _, err := findNode(lab, "lab-3"); err == nil {
		t.Error("a node is found that does not exist")
	}
}

func TestTheFlagsOfACommandInTheLabAreItsOwn(t *testing.T) {
	for _, each := range []struct {
		arguments, command []string
		node               string
	}{
		{[]string{"--", "ctr", "--node", "x"}, []string{"ctr", "--node", "x"}, "lab-1"},
		{[]string{"--node", "lab-2", "--", "ls", "-l"}, []string{"ls", "-l"}, "lab-2"},
		{[]string{"ls", "-l"}, []string{"ls", "-l"}, "lab-1"},
	} {
		node, command, err := parseExec(each.arguments)
		if err != nil || node != each.node || !slices.Equal(command, each.command) {
			t.Errorf("%v: %s %v %v", each.arguments, node, command, err)
		}
	}
	for _, wrong := range [][]string{{}, {"--"}, {"--node"}, {"--node", "lab-2"}, {"--no-such", "--", "ls"}} {
		if _, _, err := parseExec(wrong); err == nil {
			t.Errorf("%v is accepted", wrong)
		}
	}
}
