package main

import (
	"errors"
	"slices"
	"testing"
)

func TestMountsAreReadWithOptionalFieldsAndEscapes(t *testing.T) {
	text := "36 35 98:0 /pods/one /workspace/agents rw,noatime master:1 shared:2 - ext4 /dev/root rw\n" +
		"37 35 0:5 / /with\\040space\\134 rw - tmpfs tmpfs rw\n" +
		"nonsense\n"
	want := []mount{
		{root: "/pods/one", point: "/workspace/agents", kind: "ext4"},
		{root: "/", point: `/with space\`, kind: "tmpfs"},
	}
	if have := parseMounts(text); !slices.Equal(have, want) {
		t.Errorf("have %+v, want %+v", have, want)
	}
}

func TestCapabilitiesAreHexadecimal(t *testing.T) {
	status := "Name:\tprobe\nCapEff:\t00000000a80425fb\nCapBnd:\t0000000000000000\n"
	if have, err := capabilities(status, "CapEff"); err != nil || have != 0xa80425fb {
		t.Errorf("CapEff is %x, %v", have, err)
	}
	if have, err := capabilities(status, "CapBnd"); err != nil || have != 0 {
		t.Errorf("CapBnd is %x, %v", have, err)
	}
	if _, err := capabilities(status, "CapPrm"); err == nil {
		t.Error("CapPrm, which is not there, was read")
	}
}

func TestOnlyTheWholeRangeOntoItselfIsTheIdentity(t *testing.T) {
	for mapping, want := range map[string]bool{
		"         0          0 4294967295\n": true,
		"         0      65536      65536\n": false,
		"0 0 1\n":                            false,
		"0 0 1\n1 1 4294967294\n":            false,
		"":                                   false,
	} {
		if have := identity(mapping); have != want {
			t.Errorf("identity(%q) is %v", mapping, have)
		}
	}
}

func TestNumbersAreWrittenAsRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "5": {5}, "1-3 7 9-10": {1, 2, 3, 7, 9, 10}} {
		if have := ranges(numbers); have != want {
			t.Errorf("%v: have %q, want %q", numbers, have, want)
		}
	}
}

func TestAFileIsSoughtBelowEachDirectoryAboveTheMount(t *testing.T) {
	want := []string{"./node/pods/x", "disk/node/pods/x", "disk/pods/node/pods/x", "./pods/x", "disk/pods/x", "disk/pods/pods/x", "./x", "disk/x", "disk/pods/x"}
	if have := belowTop("/disk/pods", "/node/pods/x"); !slices.Equal(have, want) {
		t.Errorf("have %v", have)
	}
}

func TestFirstOfCountsWhatStoppedTheAttempts(t *testing.T) {
	one, other := errors.New("one"), errors.New("other")
	err := firstOf([]error{one, other, one}, func(err error) error { return err })
	if err == nil || err.Error() != "one (2), other" {
		t.Errorf("have %v", err)
	}
	if firstOf([]error{one, nil}, func(err error) error { return err }) != nil {
		t.Error("one worked")
	}
	if firstOf(nil, func(err error) error { return err }) == nil {
		t.Error("none worked")
	}
}

func TestTokensAreTold(t *testing.T) {
	if !token.MatchString("x eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl") {
		t.Error("a token was not seen")
	}
	if token.MatchString("eyJhbGciOiJSUzI1NiJ9") {
		t.Error("half a token is none")
	}
}
