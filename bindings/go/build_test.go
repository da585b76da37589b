package svidex_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A build that cannot work says what to do, and not only what it lacks.
func TestBuildThatCannotWorkSaysWhatToDo(t *testing.T) {
	for _, test := range []struct{ without, variable, says string }{
		{"the library", "CGO_ENABLED=1", "make go"},
		{"cgo", "CGO_ENABLED=0", "SET_CGO_ENABLED_1"},
	} {
		t.Run("without "+test.without, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), "go", "build", ".")
			command.Dir = copyOfSources(t)
			command.Env = append(os.Environ(), test.variable)
			output, err := command.CombinedOutput()
			if err == nil {
				t.Fatal("it builds")
			}
			// The first lines count: what follows is noise.
			lines := strings.SplitN(string(output), "\n", 5)
			if !strings.Contains(strings.Join(lines[:min(4, len(lines))], "\n"), test.says) {
				t.Errorf("it does not say %q at once:\n%s", test.says, output)
			}
		})
	}
}

// Where there is no library at all, that is what a build stops at. (To build for another
// system would compile Go's own library for it first: which files it takes is enough.)
func TestBuildForAPlatformWithoutALibraryStopsAtThat(t *testing.T) {
	for _, test := range []struct{ system, processor, file string }{
		{"windows", "amd64", "platform_required.go"},
		{"freebsd", "arm64", "platform_required.go"},
		{"linux", "riscv64", "platform_required.go"},
		{"linux", "arm64", "cgo_required.go"},
		{"darwin", "amd64", "cgo_required.go"},
	} {
		command := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.GoFiles}}", ".")
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+test.system, "GOARCH="+test.processor)
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatal(string(output))
		}
		if got := strings.Count(string(output), "_required.go"); got != 1 || !strings.Contains(string(output), test.file) {
			t.Errorf("%s/%s: not %s alone in %s", test.system, test.processor, test.file, output)
		}
	}
}

// copyOfSources is this package as it is in a fresh clone.
func copyOfSources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, pattern := range []string{"go.mod", "*.go", "*.c", "bridge.h", "internal/bearer/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(copied, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}
