package main

import (
	"slices"
	"strings"
	"testing"
)

// asClaimed is a run in which everything is as the matrix says.
func asClaimed() findings {
	found := findings{unhindered: {}}
	for i, level := range levels {
		found[level] = map[string]Finding{}
		for _, claim := range matrix() {
			found[level][claim.probe] = Finding{Probe: claim.probe, Succeeded: claim.at[i] == "S", Count: 400 - i}
			found[unhindered][claim.probe] = Finding{Probe: claim.probe, Succeeded: true, Count: 500}
		}
	}
	return found
}

func TestEachStepHasItsWitnesses(t *testing.T) {
	for step, names := range witnesses {
		shown := 0
		for _, claim := range matrix() {
			if slices.Contains(names, claim.probe) && claim.at[step] == "S" && claim.at[step+1] == "B" {
				shown++
			}
		}
		if shown != len(names) || shown < 3 {
			t.Errorf("%s to %s: %d of %v", levels[step], levels[step+1], shown, names)
		}
	}
}

func TestEveryClaimHasItsProbe(t *testing.T) {
	asked := append(fromWithin(), "P31", "P42", "P36", "P37", "P38", "P41", "P44", "P45", "P46")
	for _, claim := range matrix() {
		if !slices.Contains(asked, claim.probe) {
			t.Errorf("nothing tries %s", claim.probe)
		}
	}
	if len(asked) != len(matrix()) {
		t.Errorf("%d probes and %d claims", len(asked), len(matrix()))
	}
}

func TestWhatIsOtherwiseThanClaimedIsFound(t *testing.T) {
	claims := matrix()
	if wrong := judge(claims, asClaimed()); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	for _, each := range []struct {
		what   string
		harm   func(findings)
		expect string
	}{
		{"an attack that works", func(found findings) { found["Level2"]["P13"] = Finding{Succeeded: true} }, "P13 at Level2: S, not B"},
		{"an attack that no longer works", func(found findings) { found["None"]["P13"] = Finding{} }, "P13 at None: B, not S"},
		{"a probe that can't succeed", func(found findings) { found[unhindered]["P04"] = Finding{} }, "P04 never succeeds"},
		{"a probe that was left out", func(found findings) { delete(found["Level1"], "P04") }, "P04 at Level1 was not tried"},
		{"a probe that came to nothing", func(found findings) { found["Level1"]["P04"] = Finding{Unable: []string{"no time"}} }, "P04 at Level1 could not be tried"},
		{"a number that is that of no filter", func(found findings) { found["None"]["P47"] = Finding{Count: 500} }, "P47 at None: 500, and 499 before"},
		{"a number that grows", func(found findings) { found["Level3"]["P47"] = Finding{Count: 450} }, "P47 at Level3: 450, and 398 before"},
	} {
		found := asClaimed()
		each.harm(found)
		if wrong := judge(claims, found); len(wrong) != 1 || !strings.HasPrefix(wrong[0], each.expect) {
			t.Errorf("%s: %v", each.what, wrong)
		}
		if each.expect[:3] != "P47" && strings.Contains(each.expect, ": ") && len(differ(claims, asClaimed(), found)) != 1 {
			t.Errorf("%s: two runs are the same", each.what)
		}
	}
}
