package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build compiles the command once for the tests of this file.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sandbox")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// launch starts the binary and returns the address that it printed.
func launch(t *testing.T, binary string, env ...string) (*exec.Cmd, io.WriteCloser, string) {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), append([]string{"COUNTERFOIL_SANDBOX_ADDR=127.0.0.1:0"}, env...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "sandbox on ")
	if !ok || !strings.HasPrefix(address, "http://127.0.0.1:") {
		t.Fatalf("it printed %q", line)
	}
	return cmd, stdin, address
}

// ends waits for the process and fails the test when it does not end well.
func ends(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it did not end")
	}
}

func TestItServesAndEndsOnASignalOrWithItsParent(t *testing.T) {
	binary := build(t)

	for name, signal := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			cmd, _, address := launch(t, binary)
			res, err := http.Get(address + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("healthz = %d", res.StatusCode)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			ends(t, cmd)
		})
	}

	t.Run("stdin closes", func(t *testing.T) {
		cmd, stdin, _ := launch(t, binary, "COUNTERFOIL_SANDBOX_STDIN=1")
		if err := stdin.Close(); err != nil {
			t.Fatal(err)
		}
		ends(t, cmd)
	})

	t.Run("its address opens the pages", func(t *testing.T) {
		cmd, stdin, address := launch(t, binary, "COUNTERFOIL_SANDBOX_STDIN=1")
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || res.Request.URL.Path != "/_sandbox/" || !strings.Contains(string(body), "<h1>Sandbox</h1>") {
			t.Errorf("%d %s %v", res.StatusCode, res.Request.URL, err)
		}
		if err := stdin.Close(); err != nil {
			t.Fatal(err)
		}
		ends(t, cmd)
	})

	t.Run("a held request does not keep it", func(t *testing.T) {
		cmd, _, address := launch(t, binary)
		res, err := http.Post(address+"/_sandbox/handpoint/fault", "application/json", strings.NewReader(`{"kind":"delay"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		go func() {
			if res, err := http.Get(address + "/handpoint/devices"); err == nil {
				_ = res.Body.Close()
			}
		}()
		deadline := time.Now().Add(5 * time.Second)
		for held := ""; !strings.Contains(held, `"held":1`); {
			if time.Now().After(deadline) {
				t.Fatal("the request was not held")
			}
			if res, err := http.Get(address + "/_sandbox/handpoint/held"); err == nil {
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				held = string(body)
			}
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		ends(t, cmd)
	})
}

func TestAnAddressInUseIsSaidInASentence(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	err = run(context.Background(), func(name string) string {
		if name == "COUNTERFOIL_SANDBOX_ADDR" {
			return taken.Addr().String()
		}
		return ""
	}, strings.NewReader(""), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "cannot listen on") || !strings.Contains(err.Error(), "COUNTERFOIL_SANDBOX_ADDR") {
		t.Errorf("run = %v", err)
	}
}

func TestAFailedStartExitsNonZero(t *testing.T) {
	cmd := exec.Command(build(t))
	cmd.Env = append(os.Environ(), "COUNTERFOIL_SANDBOX_ADDR=not-an-address")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "sandbox: cannot listen on") {
		t.Errorf("%v %q", err, out)
	}
}
