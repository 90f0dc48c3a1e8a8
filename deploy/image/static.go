package main

import (
	"debug/elf"
	"fmt"
)

// requireStatic refuses a binary that needs a loader or libraries: the image
// holds nothing but the binary.
func requireStatic(path string) error {
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is no Linux program: %w", path, err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is dynamically linked and the image has no libraries: "+
				"build it static (Rust: -C target-feature=+crt-static, Go: CGO_ENABLED=0)", path)
		}
	}
	libraries, err := file.ImportedLibraries()
	if err == nil && len(libraries) > 0 {
		return fmt.Errorf("%s needs %v and the image has no libraries: build it static", path, libraries)
	}
	return nil
}
