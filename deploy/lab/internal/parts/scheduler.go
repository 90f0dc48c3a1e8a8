package parts

import "lazarus-pit.io/lab/internal/place"

func scheduler() Part {
	return Part{
		Name:    "scheduler",
		After:   []string{"apiserver"},
		Program: "kube-scheduler",
		Args: []string{
			"--config=" + place.In("config", "scheduler.yaml"),
			"--bind-address=127.0.0.1",
		},
		Ready: answers(localHealth, "https://127.0.0.1:10259/readyz"),
	}
}
