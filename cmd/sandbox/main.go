// Command sandbox serves the provider emulators on one loopback address, for
// development, for tests and for the demonstration mode, which starts it as a
// child process. It imports services/sandbox only and holds no rule itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox"
)

const (
	defaultAddr   = "127.0.0.1:9090"
	shutdownGrace = 3 * time.Second
	// pumpEvery is how often due callbacks are looked for.
	pumpEvery = 5 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or, with COUNTERFOIL_SANDBOX_STDIN=1, until stdin
// closes, which happens when the parent process dies.
func run(ctx context.Context, getenv func(string) string, stdin io.Reader, stdout io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	addr := getenv("COUNTERFOIL_SANDBOX_ADDR")
	if addr == "" {
		addr = defaultAddr
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %q (COUNTERFOIL_SANDBOX_ADDR): %w", addr, err)
	}
	if getenv("COUNTERFOIL_SANDBOX_STDIN") == "1" {
		go func() {
			_, _ = io.Copy(io.Discard, stdin)
			cancel()
		}()
	}

	box := sandbox.New(sandbox.Config{})
	server := &http.Server{
		Handler:           box.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	if _, err := fmt.Fprintf(stdout, "sandbox on http://%s\n", listener.Addr()); err != nil {
		_ = listener.Close()
		return fmt.Errorf("cannot write the address: %w", err)
	}

	go func() {
		ticker := time.NewTicker(pumpEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				box.Pump()
			}
		}
	}()

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("cannot serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}

	// Requests that a fault is holding would keep the shutdown waiting.
	box.Reset()
	grace, done := context.WithTimeout(context.Background(), shutdownGrace)
	defer done()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
