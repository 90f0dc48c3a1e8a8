package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// unhindered is the column of what nothing stops.
const unhindered = "Control"

var levels = []string{"None", "Level1", "Level2", "Level3"}

//go:embed matrix.txt
var matrixText string

// claim is a line of the matrix: what is said of a probe at each level.
type claim struct {
	probe string
	at    [4]string
	what  string
}

// witnesses are the probes that show each step between levels to be one.
var witnesses = [3][]string{{"P02", "P03", "P06", "P31"}, {"P12", "P13", "P16", "P27"}, {"P28", "P33", "P34"}}

func matrix() []claim {
	var claims []claim
	for line := range strings.Lines(matrixText) {
		if words := strings.Fields(line); !strings.HasPrefix(line, "#") && len(words) > 5 {
			claims = append(claims, claim{words[0], [4]string(words[1:5]), strings.Join(words[5:], " ")})
		}
	}
	return claims
}

// seen is a finding in the letters of the matrix.
func seen(finding Finding) string {
	if finding.Succeeded {
		return "S"
	}
	return "B"
}

// judge says what was found otherwise than claimed, and which probes could not have found anything.
func judge(claims []claim, found findings) []string {
	var wrong []string
	for _, claim := range claims {
		able := works(claim, found)
		for i, level := range levels {
			finding, there := found[level][claim.probe]
			if claim.at[i] == "-" {
				continue
			}
			switch {
			case !there:
				wrong = append(wrong, fmt.Sprintf("%s at %s was not tried", claim.probe, level))
			case claim.at[i] == "N":
				// Where nothing stops it there are more, or the filter is not there.
				before := found[unhindered][claim.probe].Count - 1
				if i > 0 {
					before = found[levels[i-1]][claim.probe].Count
				}
				if finding.Count > before || finding.Count == 0 {
					wrong = append(wrong, fmt.Sprintf("%s at %s: %d, and %d before", claim.probe, level, finding.Count, before))
				}
			case len(finding.Unable) > 0:
				wrong = append(wrong, fmt.Sprintf("%s at %s could not be tried: %s", claim.probe, level, strings.Join(finding.Unable, "; ")))
			case claim.at[i] != seen(finding):
				wrong = append(wrong, fmt.Sprintf("%s at %s: %s, not %s: %s", claim.probe, level, seen(finding), claim.at[i], finding.Detail))
			}
		}
		claims := slices.Contains(claim.at[:], "B")
		if claims && !able {
			wrong = append(wrong, fmt.Sprintf("%s never succeeds, not even where nothing stops it: %s", claim.probe, found[unhindered][claim.probe].Detail))
		}
	}
	return wrong
}

// works says whether a probe is seen to succeed where nothing stops it: without a level, or at one that claims as much.
func works(claim claim, found findings) bool {
	able := found[unhindered][claim.probe].Succeeded
	for i, level := range levels {
		able = able || claim.at[i] == "S" && found[level][claim.probe].Succeeded
	}
	return able
}

// differ says where two runs are not the same.
func differ(claims []claim, one, other findings) []string {
	var list []string
	for _, claim := range claims {
		for i, level := range levels {
			a, b := one[level][claim.probe], other[level][claim.probe]
			if claim.at[i] != "-" && seen(a) != seen(b) {
				list = append(list, fmt.Sprintf("%s at %s: %s, then %s: %s", claim.probe, level, seen(a), seen(b), b.Detail))
			}
		}
	}
	return list
}

// page is the table for people.
func page(claims []claim, found findings) string {
	var text strings.Builder
	text.WriteString(`<!-- Made by ` + "`make probes`" + ` from what it found: don't change it. -->

# Attack probes

What an agent can do at each [level](isolation.md). ` + "`make probes`" + ` runs a hostile program as an agent on a real node, twice, and refuses to make this page if it finds something else than what is claimed. Each attack is also made where nothing stops it, in the column "Control", or else it would show nothing.

✓ the attack works. ✗ it is blocked. – nothing is claimed.

| Probe | An agent tries to | Control | None | Level1 | Level2 | Level3 |
| --- | --- | --- | --- | --- | --- | --- |
`)
	signs := map[string]string{"S": "✓", "B": "✗"}
	for _, claim := range claims {
		control := "–"
		if claim.at != [4]string{"-", "-", "-", "-"} {
			control = signs[seen(Finding{Succeeded: works(claim, found)})]
		}
		fmt.Fprintf(&text, "| %s | %s | %s |", claim.probe, claim.what, control)
		for i, level := range levels {
			switch sign := claim.at[i]; {
			case sign == "-":
				text.WriteString(" – |")
			case sign == "N" && i == 0:
				text.WriteString(" fewer than unconfined |")
			case sign == "N":
				text.WriteString(" not more |")
			default:
				fmt.Fprintf(&text, " %s |", signs[seen(found[level][claim.probe])])
			}
		}
		text.WriteString("\n")
	}
	text.WriteString("\nP30 is about the network plugin alone: policies for IPv4 say nothing of IPv6, and the lab's plugin drops all of it.\n")
	return text.String()
}
