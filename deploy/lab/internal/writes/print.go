package writes

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// Print writes the report as a table for people.
func (r Report) Print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	block := func(title string, counts Counts) {
		fmt.Fprintf(table, "%s\tCOUNT\tREFUSED\tCONFLICTS\tNO-OPS\n", title)
		for _, kind := range slices.Sorted(maps.Keys(counts)) {
			row(table, kind, counts[kind])
		}
		row(table, "total", counts.Total())
		fmt.Fprintln(table)
	}
	block("WRITES OF "+r.User, r.Writes)
	block("LEASES AND EVENTS", r.Background)
	fmt.Fprintf(table, "PER MISSIONCELL (%d)\tMAX\tMEAN\n", len(r.Cells))
	for _, kind := range slices.Sorted(maps.Keys(r.PerCell)) {
		fmt.Fprintf(table, "%s\t%d\t%.1f\n", kind, r.PerCell[kind].Max, r.PerCell[kind].Mean)
	}
	return table.Flush()
}

func row(out io.Writer, kind string, count Count) {
	fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\n", kind, count.Count, count.Refused, count.Conflicts, count.NoOps)
}
