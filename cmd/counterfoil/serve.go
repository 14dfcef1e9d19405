package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/counterfoil/counterfoil/handlers"
	"github.com/counterfoil/counterfoil/services/connections"
	"github.com/counterfoil/counterfoil/services/devices"
	"github.com/counterfoil/counterfoil/services/events"
	"github.com/counterfoil/counterfoil/services/failpoint"
	"github.com/counterfoil/counterfoil/services/jobs"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/cashflows"
	"github.com/counterfoil/counterfoil/services/providers/cloudflow"
	"github.com/counterfoil/counterfoil/services/providers/cloudpayments"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/secrets"
	"github.com/counterfoil/counterfoil/services/signin"
	"github.com/counterfoil/counterfoil/services/store"
	"github.com/counterfoil/counterfoil/services/webhooks"
	"github.com/counterfoil/counterfoil/web"
)

// shutdownGrace is how long running requests may take to end; a provider call
// is at most 30 s, and its answer is worth waiting for.
const shutdownGrace = 40 * time.Second

// registry names the adapters of this build, by hand so that it can be read.
func registry() *providers.Registry {
	return providers.NewRegistry(cardflo.Registration(), handpoint.Registration(), cashflows.Registration(), cloudflow.Registration(), cloudpayments.Registration())
}

// commonFlags are what every serving command takes.
type commonFlags struct {
	Log        string   `env:"COUNTERFOIL_LOG" default:"info" enum:"debug,info,warn,error" help:"Log level: ${enum}."`
	AllowHosts []string `name:"allow-hosts" env:"COUNTERFOIL_ALLOW_HOSTS" help:"host:port of providers that may be on this network or without https."`
}

func (f commonFlags) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.Log)) // kong has checked it
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

type serveCmd struct {
	databaseFlags
	commonFlags
	Addr           string `env:"COUNTERFOIL_ADDR" default:"127.0.0.1:8080" help:"Where to listen; port 0 chooses one."`
	PublicURL      string `name:"public-url" env:"COUNTERFOIL_PUBLIC_URL" help:"The address that browsers use." placeholder:"URL"`
	Keyset         string `env:"COUNTERFOIL_KEYSET" help:"File or base64 of the keyset that seals credentials." placeholder:"FILE"`
	TrustedProxies string `name:"trusted-proxies" env:"COUNTERFOIL_TRUSTED_PROXIES" help:"Proxies whose X-Forwarded-For counts, as addresses or networks." placeholder:"LIST"`
	NoJobs         bool   `name:"no-jobs" help:"Leave background jobs to counterfoil worker."`
}

func (c *serveCmd) check() error {
	if err := c.databaseFlags.check(); err != nil {
		return err
	}
	if c.Keyset == "" {
		return errors.New("COUNTERFOIL_KEYSET is missing: make one with “counterfoil admin new-keyset” and keep it apart from the database")
	}
	if c.PublicURL == "" {
		return errors.New("COUNTERFOIL_PUBLIC_URL is missing: name the address that browsers use, for example https://pay.example.com")
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.Path != "" && u.Path != "/" {
		return errors.New("COUNTERFOIL_PUBLIC_URL must be an origin such as https://pay.example.com")
	}
	if u.Scheme != "https" && !loopback(u.Hostname()) {
		return errors.New("COUNTERFOIL_PUBLIC_URL must begin with https://: sign-ins do not go over the network in clear")
	}
	c.PublicURL = u.Scheme + "://" + u.Host
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Run serves until a signal comes.
func (c *serveCmd) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	log := c.logger()
	h, err := openHouse(ctx, houseConfig{databaseURL: c.DatabaseURL, directURL: c.direct(), pooled: c.pooled(), keyset: c.Keyset, publicURL: c.PublicURL, allowHosts: c.AllowHosts, log: log, jobPoll: failpoint.Poll()})
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.store.Ready(ctx); err != nil {
		return err
	}
	if err := h.refuseDemo(ctx); err != nil {
		return err
	}
	return h.serve(ctx, serving{addr: c.Addr, publicURL: c.PublicURL, trustedProxies: c.TrustedProxies, jobs: !c.NoJobs})
}

type workerCmd struct {
	databaseFlags
	commonFlags
	Keyset    string `env:"COUNTERFOIL_KEYSET" help:"File or base64 of the keyset that seals credentials." placeholder:"FILE"`
	PublicURL string `name:"public-url" env:"COUNTERFOIL_PUBLIC_URL" help:"The address that browsers use." placeholder:"URL"`
}

// Run works the queue until a signal comes.
func (c *workerCmd) Run(ctx context.Context) error {
	if err := c.databaseFlags.check(); err != nil {
		return err
	}
	h, err := openHouse(ctx, houseConfig{databaseURL: c.DatabaseURL, pooled: c.pooled(), keyset: c.Keyset, publicURL: c.PublicURL, allowHosts: c.AllowHosts, log: c.logger()})
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.store.Ready(ctx); err != nil {
		return err
	}
	runner, err := jobs.New(h.store, h.payments, h.webhooks, h.log, 0, jobs.WithFleet(h.devices))
	if err != nil {
		return err
	}
	if err := runner.Start(ctx); err != nil {
		return err
	}
	fmt.Println("working")
	<-ctx.Done()
	return h.stopJobs(runner)
}

type migrateCmd struct{ databaseFlags }

// Run applies the migrations.
func (c *migrateCmd) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := store.Migrate(ctx, c.direct()); err != nil {
		return err
	}
	fmt.Println("the database is up to date")
	return nil
}

// houseConfig is what the rooms are made from.
type houseConfig struct {
	databaseURL, keyset, publicURL string
	directURL                      string // without a pooler; databaseURL when empty
	pooled                         bool
	allowHosts                     []string
	log                            *slog.Logger
	jobPoll                        time.Duration
}

// house is the rooms, wired.
type house struct {
	houseConfig
	store       *store.Store
	sealer      *secrets.Sealer
	payments    *payments.Service
	signin      *signin.Service
	connections *connections.Service
	webhooks    *webhooks.Service
	devices     *devices.Service
}

func openHouse(ctx context.Context, cfg houseConfig) (*house, error) {
	sealer, err := secrets.Load(cfg.keyset)
	if err != nil {
		return nil, fmt.Errorf("COUNTERFOIL_KEYSET: %w", err)
	}
	st, err := store.Open(ctx, store.Config{URL: cfg.databaseURL, Pooled: cfg.pooled})
	if err != nil {
		return nil, err
	}
	h := &house{houseConfig: cfg, store: st, sealer: sealer}
	h.signin, err = signin.New(signin.Options{Store: st, Sealer: sealer})
	if err != nil {
		_ = st.Close()
		return nil, err
	}
	h.wire(cfg.publicURL)
	return h, nil
}

// wire makes what needs to know the public address, which with port 0 is known
// late.
func (h *house) wire(publicURL string) {
	h.publicURL = publicURL
	reg := registry()
	transport := httpclient.Transport(httpclient.Options{AllowHosts: h.allowHosts})
	h.payments = payments.New(payments.Config{Store: h.store, Registry: reg, Secrets: h.sealer, Now: time.Now, Log: h.log, PublicURL: publicURL, Transport: transport})
	h.devices = devices.New(devices.Config{Store: h.store, Binder: h.payments, Now: time.Now, Log: h.log})
	h.webhooks = webhooks.New(h.store, h.payments, time.Now, h.log)
	h.connections = &connections.Service{Store: h.store, Registry: reg, Secrets: h.sealer, Now: time.Now, Transport: transport, PublicURL: publicURL}
}

// refuseDemo keeps a real server off the demo's database, whose accounts are
// published.
func (h *house) refuseDemo(ctx context.Context) error {
	state, err := h.store.DemoState(ctx)
	if err == nil && state == store.DemoMade {
		err = errors.New("this database was made by the demo, its sign-ins are published: serve only works on a database of its own")
	}
	return err
}

func (h *house) close() { _ = h.store.Close() }

// serving is how the pages are served.
type serving struct {
	addr, publicURL, trustedProxies string
	jobs                            bool
	signin                          handlers.SignIn // demo adds its note
	more                            []web.Route     // demo's own pages
	ready                           func(publicURL string) error
}

func (h *house) serve(ctx context.Context, s serving) error {
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", s.addr, err)
	}
	local := fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	if s.publicURL == "" {
		s.publicURL = local
	}
	h.wire(s.publicURL)
	hub := events.New(events.Options{Store: h.store, DirectURL: cmp.Or(h.directURL, h.databaseURL), Idle: web.Idle, Now: time.Now, Log: h.log})
	proxies, err := web.ParseProxies(s.trustedProxies)
	if err != nil {
		return fmt.Errorf("COUNTERFOIL_TRUSTED_PROXIES: %w", err)
	}
	server, err := web.New(web.Options{Store: h.store, Log: h.log, PublicURL: s.publicURL, TrustedProxies: proxies, ErrorPage: handlers.ErrorPage, Expired: handlers.Expired, Mark: hub.Position})
	if err != nil {
		return err
	}
	s.signin.Service = h.signin
	server.Add(handlers.Health{Ready: h.store.Ready}.Routes()...)
	server.Add(s.signin.Routes()...)
	server.Add(handlers.Setup{Service: h.signin}.Routes()...)
	server.Add(handlers.Account{Service: h.signin}.Routes()...)
	server.Add((&handlers.Payments{Service: h.payments, Devices: h.devices}).Routes()...)
	server.Add(handlers.Confirm{Service: h.signin}.Routes()...)
	server.Add((&handlers.Approvals{Service: h.payments, SignIn: h.signin}).Routes()...)
	server.Add((&handlers.Limits{Service: h.payments, SignIn: h.signin}).Routes()...)
	server.Add((&handlers.Worklists{Service: h.payments}).Routes()...)
	server.Add((&handlers.Callbacks{Service: h.connections}).Routes()...)
	server.Add((&handlers.Webhooks{Service: h.webhooks}).Routes()...)
	server.Add((&handlers.Connections{Service: h.connections, SignIn: h.signin}).Routes()...)
	server.Add((&handlers.Devices{Service: h.devices}).Routes()...)
	server.Add((&handlers.Events{Hub: hub}).Routes()...)
	server.Add(s.more...)
	if s.ready != nil {
		if err := s.ready(s.publicURL); err != nil {
			return err
		}
	}
	var runner *jobs.Runner
	if s.jobs {
		if runner, err = jobs.New(h.store, h.payments, h.webhooks, h.log, h.jobPoll, jobs.WithFleet(h.devices)); err != nil {
			return err
		}
		if err := runner.Start(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("background jobs: %w", err)
		}
	}
	// The streams end before the server waits for what runs, or it would wait for
	// them; the hub's listener ends with the store.
	listen, silence := context.WithCancel(context.WithoutCancel(ctx))
	heard := make(chan struct{})
	go func() { defer close(heard); hub.Run(listen) }()
	defer func() { silence(); <-heard }()
	httpServer := server.HTTPServer()
	httpServer.RegisterOnShutdown(hub.Close)
	httpServer.ErrorLog = slog.NewLogLogger(h.log.Handler(), slog.LevelWarn)
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	fmt.Println("listening on " + local)
	var failed error
	select {
	case failed = <-served:
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := httpServer.Shutdown(stopCtx); err != nil {
		h.log.Warn("some requests did not end in time", "error", err)
	}
	if runner != nil {
		if err := runner.Stop(stopCtx); err != nil {
			h.log.Warn("some jobs did not end in time", "error", err)
		}
	}
	if errors.Is(failed, http.ErrServerClosed) {
		return nil
	}
	return failed
}

func (h *house) stopJobs(runner *jobs.Runner) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	return runner.Stop(ctx)
}
