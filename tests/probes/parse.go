package main

import (
	"strconv"
	"strings"
)

// mount is one line of /proc/self/mountinfo.
type mount struct {
	// root is what of its filesystem is mounted.
	root string
	// point is where.
	point string
	// kind is the filesystem's type.
	kind string
}

// parseMounts reads a mountinfo, whose format proc_pid_mountinfo(5) tells.
func parseMounts(text string) []mount {
	var all []mount
	for line := range strings.Lines(text) {
		place, filesystem, found := strings.Cut(line, " - ")
		words, kinds := strings.Fields(place), strings.Fields(filesystem)
		if !found || len(words) < 6 || len(kinds) == 0 {
			continue
		}
		all = append(all, mount{root: unescape(words[3]), point: unescape(words[4]), kind: kinds[0]})
	}
	return all
}

// unescape undoes \040 and its like.
func unescape(text string) string {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		plain.WriteByte(text[i])
	}
	return plain.String()
}

// statusLine is what a line of /proc/self/status says after its name, or nothing.
func statusLine(status, name string) string {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// capabilities are the bits of a line such as CapEff.
func capabilities(status, name string) (uint64, error) {
	return strconv.ParseUint(statusLine(status, name), 16, 64)
}

// identity says whether a uid_map maps every user to itself.
func identity(mapping string) bool {
	words := strings.Fields(mapping)
	return len(words) == 3 && words[0] == "0" && words[1] == "0" && words[2] == "4294967295"
}

// ranges writes ascending numbers shortly: 1-3 7.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		part := strconv.Itoa(numbers[i])
		if end > i {
			part += "-" + strconv.Itoa(numbers[end])
		}
		parts = append(parts, part)
		i = end + 1
	}
	return strings.Join(parts, " ")
}

// belowTop are the places where a node's path may be in a filesystem of which
// the directory root is mounted: the node may have mounted any directory
// above it at any directory of the path.
func belowTop(root, path string) []string {
	above := []string{"."}
	parts := strings.Split(strings.Trim(root, "/"), "/")
	for i := range parts {
		above = append(above, strings.Join(parts[:i+1], "/"))
	}
	var all []string
	for rest := strings.Split(strings.Trim(path, "/"), "/"); len(rest) > 0; rest = rest[1:] {
		for _, folder := range above {
			all = append(all, folder+"/"+strings.Join(rest, "/"))
		}
	}
	return all
}
