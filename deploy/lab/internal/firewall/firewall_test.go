package firewall

import (
	"os"
	"strings"
	"testing"

	"lazarus-pit.io/lab/internal/place"
)

var lab = place.Lab{Nodes: 2}

func TestWhatIsCutIsCutBothWays(t *testing.T) {
	for _, each := range []struct {
		from, to string
		want     []string
	}{
		{"10.244.0.7", "10.96.3.4:443", []string{
			"ip saddr 10.244.0.7/32 ip daddr 10.96.3.4/32 meta l4proto { tcp, udp } th dport 443",
			"ip saddr 10.96.3.4/32 meta l4proto { tcp, udp } th sport 443 ip daddr 10.244.0.7/32",
		}},
		{"lab-1", "lab-2", []string{
			"ip saddr 10.244.0.0/20 ip daddr 10.244.16.0/20",
			"ip saddr 10.244.16.0/20 ip daddr 10.244.0.0/20",
		}},
		{"10.244.0.9/24", "api", []string{
			"ip saddr 10.244.0.0/24 ip daddr 172.31.255.2 tcp dport 6443",
			"ip saddr 172.31.255.2 tcp sport 6443 ip daddr 10.244.0.0/24",
		}},
		// Its pods and its kubelet, and neither another node's nor the cluster's own programs.
		{"lab-2", "api", []string{
			"ip saddr 10.244.16.0/20 ip daddr 172.31.255.2 tcp dport 6443",
			"ip saddr 172.31.255.2 tcp sport 6443 ip daddr 10.244.16.0/20",
			"ip daddr 127.0.1.2 tcp dport 6443",
			"ip saddr 127.0.1.2 tcp sport 6443",
			"ip daddr 172.31.255.3 tcp dport 10250",
			"ip saddr 172.31.255.3 tcp sport 10250",
		}},
	} {
		script, err := block(lab, each.from, each.to)
		if err != nil {
			t.Errorf("%s, %s: %v", each.from, each.to, err)
			continue
		}
		var want strings.Builder
		for _, match := range each.want {
			want.WriteString("add rule ip lab_firewall cut " + match + " counter drop comment \"" + each.from + " " + each.to + "\"\n")
		}
		if script != want.String() {
			t.Errorf("%s, %s:\n%swant:\n%s", each.from, each.to, script, want.String())
		}
	}
}

func TestWhatIsNoEndIsRefused(t *testing.T) {
	for _, ends := range [][2]string{
		{"", "api"}, {"lab-3", "api"}, {"api", "lab-12"}, {"somebody", "api"}, {"10.244.0", "api"},
		{"10.244.0.7", "10.96.3.4:0"}, {"10.244.0.7", "10.96.3.4:70000"}, {"10.244.0.7", "10.96.3.4:https"},
		{"fd00::1", "api"}, {"10.0.0.0/33", "api"}, {"10.0.0.1; drop", "api"},
		{"api", "api"}, {"lab-1", "lab-1"}, {"10.0.0.1", "10.0.0.1/32"},
	} {
		if script, err := block(lab, ends[0], ends[1]); err == nil {
			t.Errorf("%q is accepted:\n%s", ends, script)
		}
	}
	if _, err := block(lab, "lab-9", "api"); err == nil || !strings.Contains(err.Error(), "lab-1, lab-2") {
		t.Errorf("nobody learns which nodes there are: %v", err)
	}
}

func TestCutsAreReadFromWhatNftPrints(t *testing.T) {
	text, err := os.ReadFile("testdata/cuts.json")
	if err != nil {
		t.Fatal(err)
	}
	cuts, err := parseCuts(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(cuts) != 2 {
		t.Fatalf("%+v", cuts)
	}
	if want := (Cut{"10.244.0.7", "10.96.3.4:443", 12}); cuts[0].Cut != want || len(cuts[0].handles) != 2 {
		t.Errorf("got %+v, want %+v", cuts[0], want)
	}
	if want := (Cut{"lab-2", "api", 0}); cuts[1].Cut != want || len(cuts[1].handles) != 1 {
		t.Errorf("got %+v, want %+v", cuts[1], want)
	}
	if _, err := parseCuts([]byte("no")); err == nil {
		t.Error("nonsense is accepted")
	}
}
