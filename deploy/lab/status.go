package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/supervise"
	"lazarus-pit.io/lab/internal/tree"
)

// running returns the lab and its first process, or says that there is none.
func running(known settings) (place.Lab, int, error) {
	lab, err := place.Open(known.dir)
	if err != nil {
		return lab, 0, err
	}
	pid, err := tree.Find(lab)
	if err == nil && pid == 0 {
		err = fmt.Errorf("no lab runs in %s: start it with `up`", lab.Dir)
	}
	return lab, pid, err
}

// statusReport is the output of `status -o json`.
type statusReport struct {
	Dir        string `json:"dir"`
	Kubeconfig string `json:"kubeconfig"`
	Server     string `json:"server"`
	PID        int    `json:"pid"` // of the tree's first process, as the machine counts
	Ready      bool   `json:"ready"`
	supervise.Report
}

func status(known settings, arguments []string) error {
	flags := newFlags("status")
	format := flags.String("o", "table", "")
	if _, err := parse(flags, arguments, 0); err != nil {
		return err
	}
	lab, pid, err := running(known)
	if err != nil {
		return err
	}
	report, err := supervise.NewClient(pid).Report()
	if err != nil {
		return err
	}
	all := statusReport{
		Dir: lab.Dir, Kubeconfig: lab.Path("kubeconfig"), PID: pid,
		Server: fmt.Sprintf("https://127.0.0.1:%d", lab.Port),
		Ready:  unready(report) == nil, Report: report,
	}
	switch *format {
	case "json":
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	case "table":
		printStatus(all)
	default:
		return usageError("status -o: json or table")
	}
	if !all.Ready {
		return errUnhealthy
	}
	return nil
}

func printStatus(all statusReport) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PART\tSTATE\tPID\tRESTARTS\tREADY AFTER\t")
	for _, part := range all.Parts {
		pid := fmt.Sprint(part.PID)
		if part.PID == 0 {
			pid = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%.1fs\t%s\n",
			part.Name, part.State, pid, part.Restarts, part.ReadyIn.Seconds(), part.Message)
	}
	table.Flush()
	fmt.Printf("\nAPI server %s, first process %d\nto use it:\n  export KUBECONFIG=%s\n", all.Server, all.PID, quote(all.Kubeconfig))
}

func logs(known settings, arguments []string) error {
	flags := newFlags("logs")
	follow := flags.Bool("f", false, "")
	words, err := parse(flags, arguments, 1)
	if err != nil {
		return err
	}
	lab := place.Lab{Dir: known.dir}
	path := lab.Path("logs", filepath.Base(words[0])+".log")
	if !exists(path) {
		paths, _ := filepath.Glob(lab.Path("logs", "*.log"))
		var names []string
		for _, path := range paths {
			names = append(names, strings.TrimSuffix(filepath.Base(path), ".log"))
		}
		return fmt.Errorf("no log of %q: there are %q", words[0], names)
	}
	show := exec.Command("cat", path)
	if *follow {
		show = exec.Command("tail", "-n", "50", "-F", path)
	}
	show.Stdout, show.Stderr = os.Stdout, os.Stderr
	return show.Run()
}

// order is stop, start and signal.
func order(known settings, command string, arguments []string) error {
	count := 1
	if command == "signal" {
		count = 2
	}
	words, err := parse(newFlags(command), arguments, count)
	if err != nil {
		return err
	}
	_, pid, err := running(known)
	if err != nil {
		return err
	}
	client := supervise.NewClient(pid)
	switch command {
	case "start":
		return client.Start(words[0])
	case "stop":
		return client.Stop(words[0])
	default:
		number, err := parseSignal(words[1])
		if err != nil {
			return err
		}
		return client.Signal(words[0], int(number))
	}
}
