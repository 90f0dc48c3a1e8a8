package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/writes"
)

// countWrites works without a running lab: the log is a file.
func countWrites(known settings, arguments []string) error {
	query, format, err := parseWrites(arguments)
	if err != nil {
		return err
	}
	path := place.Lab{Dir: known.dir}.Path("audit.log")
	log, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no audit log in %s: is the lab up?", known.dir)
	}
	if err != nil {
		return err
	}
	defer log.Close()
	report, err := writes.Read(log, query)
	if err != nil {
		return err
	}
	if format == "table" {
		return report.Print(os.Stdout)
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	return err
}

func parseWrites(arguments []string) (query writes.Query, format string, err error) {
	flags := newFlags("writes")
	since := ""
	flags.StringVar(&query.User, "user", "", "")
	flags.StringVar(&since, "since", "", "")
	flags.StringVar(&query.NamespacePrefix, "namespace-prefix", "", "")
	flags.StringVar(&format, "o", "table", "")
	if _, err := parse(flags, arguments, 0); err != nil {
		return query, format, err
	}
	if query.User == "" {
		return query, format, usageError("writes needs --user NAME, such as system:serviceaccount:NAMESPACE:NAME")
	}
	if format != "table" && format != "json" {
		return query, format, usageError("writes -o: json or table")
	}
	if since != "" {
		if query.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return query, format, usageError("writes --since: give a time such as 2026-01-31T12:00:00Z")
		}
	}
	return query, format, nil
}
