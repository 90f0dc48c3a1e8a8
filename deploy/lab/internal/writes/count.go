package writes

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"time"
)

// Query is what to count.
type Query struct {
	User            string
	Since           time.Time // zero = from the beginning
	NamespacePrefix string    // empty = all, cluster-wide objects too
}

// Count is how many writes of one kind there were.
type Count struct {
	Count     int `json:"count"`     // all of them
	Refused   int `json:"refused"`   // answered with 400 or above
	Conflicts int `json:"conflicts"` // of the refused: 409
	// NoOps are updates and patches that succeeded and changed nothing: the
	// answer has a resourceVersion that the object had before.
	NoOps int `json:"noops"`
}

func (c *Count) add(other Count) {
	c.Count += other.Count
	c.Refused += other.Refused
	c.Conflicts += other.Conflicts
	c.NoOps += other.NoOps
}

// Counts is by kind of write: the verb, a space, the resource with its
// subresource, such as "patch missioncells/status".
type Counts map[string]Count

// Total is the sum over all kinds.
func (c Counts) Total() Count {
	var total Count
	for _, one := range c {
		total.add(one)
	}
	return total
}

// Cell is what was written to one MissionCell and its pods.
type Cell struct {
	Namespace string `json:"namespace"`
	Cell      string `json:"cell"`
	Writes    Counts `json:"writes"`
	Total     Count  `json:"total"`
}

// Spread is over the MissionCells that had any write.
type Spread struct {
	Max  int     `json:"max"`
	Mean float64 `json:"mean"`
}

// Report is the answer. Its JSON form is read by tests and stays as it is:
// fields are added, never renamed or removed.
type Report struct {
	User  string `json:"user"`
	Total Count  `json:"total"`
	// Writes leaves out leases and events; they are in Background.
	Writes     Counts `json:"writes"`
	Background Counts `json:"background"`
	// Cells is ordered by namespace and name. A write to anything but a
	// MissionCell or a pod labelled with one is in none.
	Cells []Cell `json:"cells"`
	// PerCell has each kind of write, and "total".
	PerCell map[string]Spread `json:"perCell"`
}

// Read counts the user's writes in an audit log.
func Read(log io.Reader, query Query) (Report, error) {
	seen := newHistory()
	report := Report{User: query.User, Writes: Counts{}, Background: Counts{}, PerCell: map[string]Spread{}}
	cells := map[objectKey]Counts{}
	err := readEvents(log, func(one *event) {
		if !one.isWrite() {
			return
		}
		// Everybody's writes: a no-op is told by what others did before.
		what, cell := seen.learn(one)
		if one.user() != query.User || one.RequestReceivedTimestamp.Before(query.Since) ||
			!strings.HasPrefix(one.ObjectRef.Namespace, query.NamespacePrefix) {
			return
		}
		if one.isBackground() {
			report.Background.add(one.kind(), what)
			return
		}
		report.Writes.add(one.kind(), what)
		if cell != "" {
			key := objectKey{namespace: one.ObjectRef.Namespace, name: cell}
			if cells[key] == nil {
				cells[key] = Counts{}
			}
			cells[key].add(one.kind(), what)
		}
	})
	report.Total = report.Writes.Total()
	report.Cells = sorted(cells)
	report.PerCell = spread(report.Cells)
	return report, err
}

func (c Counts) add(kind string, what Count) {
	sum := c[kind]
	sum.add(what)
	c[kind] = sum
}

func sorted(cells map[objectKey]Counts) []Cell {
	list := []Cell{}
	for key, counts := range cells {
		list = append(list, Cell{key.namespace, key.name, counts, counts.Total()})
	}
	slices.SortFunc(list, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Cell, b.Cell))
	})
	return list
}

func spread(cells []Cell) map[string]Spread {
	spreads := map[string]Spread{}
	note := func(kind string, count int) {
		one := spreads[kind]
		one.Max = max(one.Max, count)
		one.Mean += float64(count) / float64(len(cells))
		spreads[kind] = one
	}
	for _, cell := range cells {
		note("total", cell.Total.Count)
		for kind, count := range cell.Writes {
			note(kind, count.Count)
		}
	}
	return spreads
}
