// Package clients holds the emulator honest: go-spiffe, which is not ours, must
// get from it what it gets from a real SPIFFE agent.
package clients

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// emulator is one running emulator process.
type emulator struct {
	EndpointSocket    string   `json:"endpoint_socket"`
	EndpointSocketTCP string   `json:"endpoint_socket_tcp"`
	Audience          string   `json:"audience"`
	SpiffeIDs         []string `json:"spiffe_ids"`
	Hints             []string `json:"hints"`
	Control           string   `json:"control"`
}

var shared emulator

// TestMain runs the tests with one emulator, which ends with its standard input
// whatever becomes of the tests.
func TestMain(m *testing.M) {
	status, err := withEmulator(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "emulator:", err)
		status = 1
	}
	os.Exit(status)
}

func withEmulator(run func() int) (status int, err error) {
	dir, err := os.MkdirTemp("", "emulator-go-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	command := exec.Command(program(), "serve", "--dir", dir, "--until-stdin-closes")
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return 1, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := command.Start(); err != nil {
		return 1, err
	}
	defer func() {
		stdin.Close()
		if ended := command.Wait(); err == nil {
			err = ended
		}
	}()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return 1, err
	}
	if err := json.Unmarshal(line, &shared); err != nil {
		return 1, fmt.Errorf("the line of readiness: %w", err)
	}
	return run(), nil
}

// program is the emulator's binary: the one named by SVIDEX_EMULATOR_BIN, or the one
// that cargo builds in this repository.
func program() string {
	if path := os.Getenv("SVIDEX_EMULATOR_BIN"); path != "" {
		return path
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../../target/debug/svidex-emulator")
}
