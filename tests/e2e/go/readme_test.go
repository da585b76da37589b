package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The first program of the binding's README, as pasted.
func TestReadmeWorksWhenPasted(t *testing.T) {
	readme, err := os.ReadFile("../../../bindings/go/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	program, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("the README has no program")
	}
	// In this module, whose go.mod knows where the packages are.
	dir, err := os.MkdirTemp(".", "pasted")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if answer := goRun(t, "./"+dir); !strings.HasPrefix(answer, "Hello from the emulator to spiffe://") {
		t.Errorf("it prints %q", answer)
	}
}

// Its type for golang.org/x/oauth2 compiles, is one that oauth2 takes, and gives the
// real end.
func TestReadmeTokenSource(t *testing.T) {
	readme, err := os.ReadFile("../../../bindings/go/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\ntype tokenSource")
	source, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("the README has no token source")
	}
	dir, err := os.MkdirTemp(".", "pasted")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := `package main

import (
	"context"
	"fmt"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"golang.org/x/oauth2"
)

type tokenSource` + source + `
func main() {
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		panic(err)
	}
	token, err := oauth2.ReuseTokenSource(nil, tokenSource{provider}).Token()
	if err != nil {
		panic(err)
	}
	fmt.Println(token.Valid(), time.Until(token.Expiry) <= time.Hour)
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if answer := goRun(t, "./"+dir); answer != "true true\n" {
		t.Errorf("it prints %q", answer)
	}
}

func TestDemoPrintsTheWholePath(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(goRun(t, "./demo")), "\n")
	for i, want := range []string{"SPIFFE ID:", "JWT-SVID:", "access token:", "answer:"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("line %d is not %q:\n%s", i+1, want, strings.Join(lines, "\n"))
		}
	}
}

func goRun(t *testing.T, program string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "run", program)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go run %s: %v", program, err)
	}
	return string(output)
}
