package writes

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const operator = "system:serviceaccount:pit:operator"

func count(t *testing.T, query Query) Report {
	t.Helper()
	log, err := os.Open("testdata/audit.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	report, err := Read(log, query)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestWritesAreCountedByVerbAndResource(t *testing.T) {
	report := count(t, Query{User: operator, NamespacePrefix: "t-"})
	want := Counts{
		"patch missioncells/status":  {Count: 2, NoOps: 1},
		"update missioncells/status": {Count: 1, Refused: 1, Conflicts: 1},
		"create pods":                {Count: 3, Refused: 1},
		"patch pods":                 {Count: 2, NoOps: 1},
		"delete pods":                {Count: 1},
		"create configmaps":          {Count: 1},
	}
	if !reflect.DeepEqual(report.Writes, want) {
		t.Errorf("got  %+v\nwant %+v", report.Writes, want)
	}
	if total := (Count{Count: 10, Refused: 2, Conflicts: 1, NoOps: 2}); report.Total != total {
		t.Errorf("total %+v, want %+v", report.Total, total)
	}
	background := Counts{"update leases": {Count: 1}, "create events": {Count: 1}}
	if !reflect.DeepEqual(report.Background, background) {
		t.Errorf("background %+v", report.Background)
	}
}

func TestWritesAreGroupedByCell(t *testing.T) {
	report := count(t, Query{User: operator, NamespacePrefix: "t-"})
	if len(report.Cells) != 2 || report.Cells[0].Cell != "alpha" || report.Cells[1].Cell != "beta" {
		t.Fatalf("%+v", report.Cells)
	}
	// The delete is answered without a label: the pod's create told its cell.
	if got := report.Cells[0].Writes["delete pods"].Count; got != 1 {
		t.Errorf("alpha has %d deletes of pods", got)
	}
	if got, want := report.PerCell["total"], (Spread{Max: 7, Mean: 4.5}); got != want {
		t.Errorf("total %+v, want %+v", got, want)
	}
	if got, want := report.PerCell["create pods"], (Spread{Max: 2, Mean: 1.5}); got != want {
		t.Errorf("create pods %+v, want %+v", got, want)
	}
}

func TestOtherUsersNamespacesAndTimesAreLeftOut(t *testing.T) {
	if got := count(t, Query{User: "nobody"}).Total; got != (Count{}) {
		t.Errorf("nobody wrote %+v", got)
	}
	if got := count(t, Query{User: operator}).Total.Count; got != 11 {
		t.Errorf("%d writes in all namespaces, want 11", got)
	}
	since := time.Date(2026, 1, 1, 0, 0, 6, 0, time.UTC)
	got := count(t, Query{User: operator, NamespacePrefix: "t-", Since: since})
	// The version a no-op is told by was written before the time asked for.
	if got.Writes["patch pods"] != (Count{Count: 2, NoOps: 1}) || got.Writes["create pods"].Count != 2 {
		t.Errorf("%+v", got.Writes)
	}
}

func TestTheReportCanBePrintedAndRead(t *testing.T) {
	report := count(t, Query{User: operator})
	var table bytes.Buffer
	if err := report.Print(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"patch missioncells/status", "LEASES AND EVENTS", "PER MISSIONCELL (3)"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(report, again) {
		t.Errorf("%v\n%+v\n%+v", err, report, again)
	}
}

func TestABrokenLineIsNamed(t *testing.T) {
	_, err := Read(strings.NewReader("{}\nnonsense\n"), Query{})
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

func TestAPatchThatIsAListIsRead(t *testing.T) {
	line := `{"kind":"Event","stage":"ResponseComplete","verb":"patch","user":{"username":"someone"},` +
		`"objectRef":{"resource":"pods","namespace":"t-1","name":"a"},"responseStatus":{"code":200},` +
		`"requestObject":[{"op":"remove","path":"/metadata/labels/x"}]}` + "\n"
	report, err := Read(strings.NewReader(line), Query{User: "someone"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Counts{"patch pods": {Count: 1}}); !reflect.DeepEqual(report.Writes, want) {
		t.Errorf("got %+v, want %+v", report.Writes, want)
	}
}
