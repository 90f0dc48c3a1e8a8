package firewall

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"lazarus-pit.io/lab/internal/place"
)

const (
	table = "lab_firewall"
	chain = "cut"
)

// Packets are looked at when they come in, before a Service's address is
// replaced by a pod's, and when it has been replaced. They are looked at one by
// one: a connection that is there already is cut as a new one is.
const empty = `
create table ip ` + table + `
add chain ip ` + table + ` ` + chain + `
add chain ip ` + table + ` arriving { type filter hook prerouting priority -300; }
add chain ip ` + table + ` staying { type filter hook input priority 0; }
add chain ip ` + table + ` leaving { type filter hook postrouting priority 0; }
add rule ip ` + table + ` arriving jump ` + chain + `
add rule ip ` + table + ` staying jump ` + chain + `
add rule ip ` + table + ` leaving jump ` + chain + `
`

// Cut is two ends that do not reach each other.
type Cut struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Dropped uint64 `json:"dropped"` // packets
}

// Firewall is that of a running lab.
type Firewall struct {
	Lab place.Lab
	PID int // the lab's first process
}

// Block cuts two ends off from each other. It changes nothing if they are.
func (f Firewall) Block(from, to string) error {
	script, err := block(f.Lab, from, to)
	if err != nil {
		return err
	}
	cuts, exists, err := f.read()
	if err != nil || find(cuts, from, to) != nil {
		return err
	}
	if !exists {
		// Another call may have been quicker.
		if _, err := f.nft(empty, "-f", "-"); err != nil && !strings.Contains(err.Error(), "File exists") {
			return err
		}
	}
	_, err = f.nft(script, "-f", "-")
	return err
}

// Clear ends one cut.
func (f Firewall) Clear(from, to string) error {
	cuts, _, err := f.read()
	if err != nil {
		return err
	}
	found := find(cuts, from, to)
	if found == nil {
		return fmt.Errorf("%s and %s are not cut off from each other: see `firewall list`", from, to)
	}
	var script strings.Builder
	for _, handle := range found.handles {
		fmt.Fprintf(&script, "delete rule ip %s %s handle %d\n", table, chain, handle)
	}
	_, err = f.nft(script.String(), "-f", "-")
	return err
}

// ClearAll ends every cut.
func (f Firewall) ClearAll() error {
	_, exists, err := f.read()
	if err != nil || !exists {
		return err
	}
	_, err = f.nft("", "delete", "table", "ip", table)
	return err
}

// List returns the cuts, the oldest first.
func (f Firewall) List() ([]Cut, error) {
	cuts, _, err := f.read()
	list := make([]Cut, 0, len(cuts))
	for _, cut := range cuts {
		list = append(list, cut.Cut)
	}
	return list, err
}

func block(lab place.Lab, from, to string) (string, error) {
	first, err := parseEnd(lab, from)
	if err != nil {
		return "", err
	}
	second, err := parseEnd(lab, to)
	if err != nil {
		return "", err
	}
	if first == second || (first.node != nil && second.node != nil && *first.node == *second.node) {
		return "", fmt.Errorf("%s and %s are the same", from, to)
	}
	var script strings.Builder
	for _, match := range matches(first, second) {
		fmt.Fprintf(&script, "add rule ip %s %s %s counter drop comment %q\n", table, chain, match, from+" "+to)
	}
	return script.String(), nil
}

// read returns the cuts and whether the table is there.
func (f Firewall) read() ([]kept, bool, error) {
	text, err := f.nft("", "--json", "--handle", "list", "tables")
	if err != nil || !strings.Contains(text, `"`+table+`"`) {
		return nil, false, err
	}
	if text, err = f.nft("", "--json", "--handle", "list", "chain", "ip", table, chain); err != nil {
		return nil, false, err
	}
	cuts, err := parseCuts([]byte(text))
	return cuts, true, err
}

// kept is a cut and the rules it is made of.
type kept struct {
	Cut
	handles []int
}

func parseCuts(text []byte) ([]kept, error) {
	var output struct {
		Nftables []struct {
			Rule *struct {
				Handle  int
				Comment string
				Expr    []struct{ Counter *struct{ Packets uint64 } }
			}
		}
	}
	if err := json.Unmarshal(text, &output); err != nil {
		return nil, fmt.Errorf("what nft prints can't be read: %w", err)
	}
	var cuts []kept
	for _, object := range output.Nftables {
		if object.Rule == nil {
			continue
		}
		from, to, ok := strings.Cut(object.Rule.Comment, " ")
		if !ok {
			continue // added by hand
		}
		found := find(cuts, from, to)
		if found == nil {
			cuts = append(cuts, kept{Cut: Cut{From: from, To: to}})
			found = &cuts[len(cuts)-1]
		}
		found.handles = append(found.handles, object.Rule.Handle)
		for _, part := range object.Rule.Expr {
			if part.Counter != nil {
				found.Dropped += part.Counter.Packets
			}
		}
	}
	return cuts, nil
}

func find(cuts []kept, from, to string) *kept {
	for i := range cuts {
		if cuts[i].From == from && cuts[i].To == to {
			return &cuts[i]
		}
	}
	return nil
}

func (f Firewall) nft(input string, arguments ...string) (string, error) {
	enter := []string{"--target", fmt.Sprint(f.PID), "--net", "--", "nft"}
	command := exec.Command("nsenter", append(enter, arguments...)...)
	command.Stdin = strings.NewReader(input)
	var complaint strings.Builder
	command.Stderr = &complaint
	text, err := command.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("no nsenter: apt-get install util-linux")
	}
	if err != nil {
		return "", fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return string(text), nil
}
