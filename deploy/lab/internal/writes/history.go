package writes

import "net/http"

// objectKey is one object, whatever subresource of it is written.
type objectKey struct{ group, resource, namespace, name string }

// history is what the log so far has told about each object.
type history struct {
	versions map[objectKey]map[string]bool
	cells    map[objectKey]string // pods only
}

func newHistory() history {
	return history{map[objectKey]map[string]bool{}, map[objectKey]string{}}
}

// learn takes note of a write and returns what it counts as, and the name of
// the MissionCell it belongs to, if any.
func (h history) learn(one *event) (Count, string) {
	key := objectKey{one.ObjectRef.APIGroup, one.ObjectRef.Resource, one.ObjectRef.Namespace, one.name()}
	what := Count{Count: 1}
	cell := h.cellOf(one, key)
	if code := one.ResponseStatus.Code; code >= http.StatusBadRequest {
		what.Refused = 1
		if code == http.StatusConflict {
			what.Conflicts = 1
		}
		return what, cell
	}
	version := one.ResponseObject.Metadata.ResourceVersion
	if version == "" {
		return what, cell // an answer without the object: a Status or a list
	}
	// Any earlier version, not only the last: the log is in the order in which
	// requests ended, and each change of an object has a version of its own.
	if h.versions[key][version] {
		if one.Verb == "update" || one.Verb == "patch" {
			what.NoOps = 1
		}
		return what, cell
	}
	if h.versions[key] == nil {
		h.versions[key] = map[string]bool{}
	}
	h.versions[key][version] = true
	return what, cell
}

func (h history) cellOf(one *event, key objectKey) string {
	switch {
	case key.group == "lazarus-pit.io" && key.resource == "missioncells":
		return key.name
	case key.group == "" && key.resource == "pods":
		for _, object := range []object{one.ResponseObject, one.RequestObject} {
			if cell := object.Metadata.Labels[CellLabel]; cell != "" {
				h.cells[key] = cell
				return cell
			}
		}
		// A delete answered by a Status: the pod's create told.
		return h.cells[key]
	default:
		return ""
	}
}
