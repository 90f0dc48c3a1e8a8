// Package writes counts what one user wrote to the API server, from the audit
// log that the lab keeps.
package writes

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// CellLabel is the pod label that names the MissionCell a pod belongs to.
const CellLabel = "lazarus-pit.io/cell"

// event is the part of an audit.k8s.io/v1 Event that counting needs.
type event struct {
	Stage      string
	RequestURI string
	Verb       string
	User       struct{ Username string }
	// ImpersonatedUser is who the request was carried out as, if not as User.
	ImpersonatedUser struct{ Username string }
	ObjectRef        struct {
		APIGroup    string
		Resource    string
		Subresource string
		Namespace   string
		Name        string
	}
	ResponseStatus           struct{ Code int }
	RequestObject            object
	ResponseObject           object
	RequestReceivedTimestamp time.Time
}

type object struct {
	Metadata struct {
		Name            string
		ResourceVersion string
		Labels          map[string]string
	}
}

// UnmarshalJSON takes anything: what is sent need not be an object, a JSON
// Patch is a list.
func (o *object) UnmarshalJSON(text []byte) error {
	type plain object
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return json.Unmarshal(text, (*plain)(o))
}

func (e *event) user() string {
	if e.ImpersonatedUser.Username != "" {
		return e.ImpersonatedUser.Username
	}
	return e.User.Username
}

// isWrite is false for reads, dry runs, and the stages before the last one.
func (e *event) isWrite() bool {
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
	default:
		return false
	}
	return (e.Stage == "ResponseComplete" || e.Stage == "Panic") && !strings.Contains(e.RequestURI, "dryRun=All")
}

// kind is how the write is listed: "patch missioncells/status".
func (e *event) kind() string {
	kind := e.Verb + " " + e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		kind += "/" + e.ObjectRef.Subresource
	}
	return kind
}

// name of the object; a create with generateName learns it from the answer.
func (e *event) name() string {
	for _, name := range []string{e.ObjectRef.Name, e.ResponseObject.Metadata.Name} {
		if name != "" {
			return name
		}
	}
	return e.RequestObject.Metadata.Name
}

// isBackground is true of what any client writes all the time.
func (e *event) isBackground() bool {
	return e.ObjectRef.Resource == "leases" || e.ObjectRef.Resource == "events"
}

// readEvents calls back for each event. A line without its end is still being
// written and is left out.
func readEvents(log io.Reader, each func(*event)) error {
	lines := bufio.NewReaderSize(log, 1<<20)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var one event
		if err := json.Unmarshal(line, &one); err != nil {
			return fmt.Errorf("audit log, line %d: %w", number, err)
		}
		each(&one)
	}
}
