package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// attackLab runs all probes twice and compares them with what is claimed.
func attackLab(ctx context.Context) error {
	began := time.Now()
	told := func(what string) { fmt.Printf("%5.0f s  %s\n", time.Since(began).Seconds(), what) }
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	attacked := lab{folder: os.Getenv("LAB_DIR"), project: os.Getenv("PROJECT"), binary: binary}
	results := os.Getenv("RESULTS")
	if attacked.folder == "" || attacked.project == "" || results == "" {
		return errors.New("LAB_DIR, PROJECT and RESULTS must say where the lab, the project and the results are: run `make probes`")
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	told("a lab that enforces no policies")
	local, err := controlOfIPv6(ctx, &attacked)
	if err != nil {
		return err
	}
	told("the lab with its policies, and the operator")
	if err := prepare(ctx, &attacked, "--network-policy"); err != nil {
		return err
	}
	if _, err := attacked.call(ctx, "", filepath.Join(attacked.project, "deploy/install.sh")); err != nil {
		return err
	}
	claims := matrix()
	var runs []findings
	var wrong []string
	for number := 1; number <= 2; number++ {
		found, err := attackOnce(ctx, attacked, number, local, told)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(found, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(results, "run-"+strconv.Itoa(number)+".json"), text, 0o644); err != nil {
			return err
		}
		wrong = append(wrong, judge(claims, found)...)
		runs = append(runs, found)
	}
	wrong = append(wrong, differ(claims, runs[0], runs[1])...)
	if len(wrong) == 0 {
		wrong = compare(filepath.Join(attacked.project, "docs/reference/probes.md"), page(claims, runs[0]))
	}
	for _, one := range wrong {
		fmt.Println("WRONG ", one)
	}
	cells := 0
	for _, claim := range claims {
		for _, sign := range claim.at {
			if sign != "-" {
				cells++
			}
		}
	}
	fmt.Printf("%d probes, %d claims, each tried in 2 runs: %d wrong, in %.0f s; all of it is in %s\n",
		len(claims), cells, len(wrong), time.Since(began).Seconds(), results)
	if len(wrong) > 0 {
		return errors.New("the levels are not what the documentation claims")
	}
	return nil
}

// compare is about the page in the documentation, which UPDATE_GENERATED=1 writes.
func compare(file, wanted string) []string {
	if os.Getenv("UPDATE_GENERATED") == "1" {
		if err := os.WriteFile(file, []byte(wanted), 0o644); err != nil {
			return []string{err.Error()}
		}
		return nil
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != wanted {
		return []string{"docs/reference/probes.md is another one: UPDATE_GENERATED=1 make probes"}
	}
	return nil
}

// controlOfIPv6 needs a lab that drops none: the pod's own link leads to the node.
func controlOfIPv6(ctx context.Context, attacked *lab) (Finding, error) {
	// However this ends, nobody is left with a lab that is open.
	defer func() { _, _ = attacked.order(context.WithoutCancel(ctx), "up", "--network-policy") }()
	if err := prepare(ctx, attacked, "--no-network-policy"); err != nil {
		return Finding{}, err
	}
	const space = "probes-ipv6"
	where := place{space, "unlimited"}
	away := func(ctx context.Context) {
		_, _ = attacked.kubectl(ctx, "delete", "namespace", space, "--ignore-not-found", "--timeout=2m")
	}
	// What an earlier run may have left.
	away(ctx)
	defer away(context.WithoutCancel(ctx))
	if _, err := attacked.kubectl(ctx, "create", "namespace", space); err != nil {
		return Finding{}, err
	}
	if err := attacked.give(ctx, plain(space, where.pod, attacked.image, "app: unlimited", "agent")); err != nil {
		return Finding{}, err
	}
	if err := attacked.ready(ctx, where); err != nil {
		return Finding{}, err
	}
	listener, err := attacked.onTheNode(ctx)
	if err != nil {
		return Finding{}, err
	}
	defer end(listener)
	found, err := attacked.pod(ctx, where)
	if err != nil {
		return Finding{}, err
	}
	local, err := attacked.linkLocal(ctx, found.Status.PodIP)
	if err != nil {
		return Finding{}, err
	}
	var finding Finding
	err = within(ctx, "the node answers by IPv6 where nothing stops it", func() (bool, error) {
		finding, err = attacked.one(ctx, where, "P30", Question{Network: Network{LinkLocal: []string{local}}})
		return finding.Succeeded, err
	})
	return finding, err
}

func attackOnce(ctx context.Context, attacked lab, number int, local Finding, told func(string)) (findings, error) {
	nonce := strconv.FormatInt(time.Now().UnixNano(), 36)
	siege := siege{
		lab: attacked, number: number, marker: "marker-" + nonce, secret: "secret-" + nonce, word: "process-" + nonce,
		// Where everybody may look, so that nothing but the level is in the way.
		hostFile: filepath.Join(os.TempDir(), "probe-"+nonce),
	}
	siege.tearDown(ctx)
	defer siege.tearDown(context.WithoutCancel(ctx))
	listener, err := attacked.onTheNode(ctx)
	if err != nil {
		return nil, err
	}
	defer end(listener)
	found, err := siege.run(ctx, func(what string) { told(fmt.Sprintf("run %d: %s", number, what)) })
	if err == nil {
		found[unhindered]["P30"] = local
	}
	return found, err
}
