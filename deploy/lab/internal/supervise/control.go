package supervise

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"

	"lazarus-pit.io/lab/internal/place"
)

// Report is the answer to GET /status.
type Report struct {
	Parts []Status `json:"parts"`
}

// serveControl answers on the control socket. Who can open the socket is root
// on the machine already, so there is no other check.
func serveControl(runners []*runner) error {
	listener, err := net.Listen("unix", place.ControlSocket)
	if err != nil {
		return err
	}
	if err := os.Chmod(place.ControlSocket, 0o600); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		var report Report
		for _, runner := range runners {
			report.Parts = append(report.Parts, runner.snapshot())
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(report)
	})
	order := func(pattern string, carryOut func(*runner, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, request *http.Request) {
			runner, err := find(runners, request.PathValue("part"))
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
				return
			}
			if err := carryOut(runner, request); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
			}
		})
	}
	order("POST /parts/{part}/start", func(r *runner, _ *http.Request) error { return r.want(true) })
	order("POST /parts/{part}/stop", func(r *runner, _ *http.Request) error { return r.want(false) })
	order("POST /parts/{part}/signal/{number}", func(r *runner, request *http.Request) error {
		number, err := strconv.Atoi(request.PathValue("number"))
		if err != nil {
			return err
		}
		return r.signal(syscall.Signal(number))
	})
	go func() {
		fmt.Fprintln(os.Stderr, "the control socket closed:", http.Serve(listener, mux))
		os.Exit(1)
	}()
	return nil
}

func find(runners []*runner, name string) (*runner, error) {
	var names []string
	for _, runner := range runners {
		if runner.part.IsCheck() {
			continue
		}
		if runner.part.Name == name {
			return runner, nil
		}
		names = append(names, runner.part.Name)
	}
	return nil, fmt.Errorf("no part %q: there are %q", name, names)
}
