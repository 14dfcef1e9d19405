// Package jobs runs the background work: River workers over the product's own
// Postgres. A job says what to do by ids; the use case does it. It imports the
// use cases, store, jobs/args and domain.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivertype"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/payments"
	"github.com/counterfoil/counterfoil/services/store"
)

// jobTimeout is the longest that one job may take; a provider call is 30 s.
const jobTimeout = time.Minute

// sweepEvery and overdue say how soon a lost resolve job is put back. The
// longest planned pause between two questions is 15 minutes. alertEvery is how
// late an alert may be.
const (
	sweepQueue = "sweep"
	sweepEvery = time.Minute
	overdue    = 5 * time.Minute
	alertEvery = 15 * time.Minute
)

// Resolver is what the jobs about transactions and payments call.
type Resolver interface {
	Resolve(ctx context.Context, m domain.MerchantID, id domain.TransactionID) (payments.Resolved, error)
	// AlertHolds writes the alerts of a merchant's holds that lapse soon, each
	// once, and says how many.
	AlertHolds(ctx context.Context, m domain.MerchantID) (int, error)
}

// Callbacks is what the jobs about a provider's own calls call.
type Callbacks interface {
	// Handle applies a stored callback; a positive time says when to look again.
	Handle(ctx context.Context, m domain.MerchantID, id domain.CallbackID) (again time.Duration, err error)
	// Follow asks the provider about a reference that a hint named.
	Follow(ctx context.Context, m domain.MerchantID, conn domain.ConnectionID, providerRef string) error
}

// Runner works the queue.
type Runner struct {
	client *river.Client[*sql.Tx]
}

// New makes a runner. poll is how often the queue is looked at; zero is one
// second.
func New(st *store.Store, resolver Resolver, callbacks Callbacks, log *slog.Logger, poll time.Duration, more ...Option) (*Runner, error) {
	if poll == 0 {
		poll = time.Second
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &resolveWorker{resolver: resolver, log: log})
	river.AddWorker(workers, &callbackWorker{callbacks: callbacks})
	river.AddWorker(workers, &hintWorker{callbacks: callbacks})
	river.AddWorker(workers, &sweepWorker{store: st, log: log})
	river.AddWorker(workers, &alertWorker{store: st, alerter: resolver, log: log})
	cfg := &river.Config{
		Schema:  store.RiverSchema,
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}, store.CallbackQueue: {MaxWorkers: 2}, sweepQueue: {MaxWorkers: 1}},
		Workers: workers,
		PeriodicJobs: []*river.PeriodicJob{
			river.NewPeriodicJob(river.PeriodicInterval(sweepEvery), func() (river.JobArgs, *river.InsertOpts) {
				return args.SweepOpen{}, &river.InsertOpts{MaxAttempts: 1, Queue: sweepQueue}
			}, &river.PeriodicJobOpts{RunOnStart: true}),
			river.NewPeriodicJob(river.PeriodicInterval(alertEvery), func() (river.JobArgs, *river.InsertOpts) {
				return args.AlertHolds{}, &river.InsertOpts{MaxAttempts: 1, Queue: sweepQueue}
			}, &river.PeriodicJobOpts{RunOnStart: true}),
		},
		PollOnly:             true,
		FetchCooldown:        min(poll, 100*time.Millisecond),
		FetchPollInterval:    poll,
		JobTimeout:           jobTimeout,
		RescueStuckJobsAfter: 2 * jobTimeout,
		ReindexerSchedule:    river.NeverSchedule(),
		Logger:               slog.New(warnOnly{log.Handler()}),
		ErrorHandler:         errorHandler{log},
	}
	var also setup
	for _, add := range more {
		add(&also)
	}
	if also.fleet != nil {
		addFleet(cfg, st, also.fleet, log)
	}
	client, err := river.NewClient(riverdatabasesql.New(st.SQLDB()), cfg)
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return &Runner{client}, nil
}

// Start begins to work the queue; it returns at once.
func (r *Runner) Start(ctx context.Context) error { return r.client.Start(ctx) }

// Stop lets running jobs end, at most until ctx does.
func (r *Runner) Stop(ctx context.Context) error {
	if err := r.client.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

type resolveWorker struct {
	river.WorkerDefaults[args.ResolveTransaction]
	resolver Resolver
	log      *slog.Logger
}

// NextRetry keeps asking at a steady pace when the question itself fails in our
// house (the database away): the default would soon wait for days.
func (w *resolveWorker) NextRetry(*river.Job[args.ResolveTransaction]) time.Time {
	return time.Now().Add(15 * time.Second)
}

// Work asks once and comes back later while the outcome is open. It may run
// more than once for the same question: asking changes nothing at the provider
// and settling is conditional.
func (w *resolveWorker) Work(ctx context.Context, job *river.Job[args.ResolveTransaction]) error {
	r, err := w.resolver.Resolve(ctx, job.Args.MerchantID, job.Args.TransactionID)
	switch {
	case domain.CodeOf(err) == domain.NotFound:
		return river.JobCancel(err)
	case err != nil:
		return err
	case r.Again > 0:
		return river.JobSnooze(r.Again)
	}
	w.log.InfoContext(ctx, "outcome known", "transaction", job.Args.TransactionID.String(), "status", string(r.Status))
	return nil
}

type callbackWorker struct {
	river.WorkerDefaults[args.HandleCallback]
	callbacks Callbacks
}

// NextRetry keeps trying at a steady pace when our own house is broken.
func (w *callbackWorker) NextRetry(*river.Job[args.HandleCallback]) time.Time {
	return time.Now().Add(15 * time.Second)
}

// Work applies the callback, and comes back for one that waits for its payment.
func (w *callbackWorker) Work(ctx context.Context, job *river.Job[args.HandleCallback]) error {
	again, err := w.callbacks.Handle(ctx, job.Args.MerchantID, job.Args.CallbackID)
	switch {
	case domain.CodeOf(err) == domain.NotFound:
		return river.JobCancel(err)
	case err != nil:
		return err
	case again > 0:
		return river.JobSnooze(again)
	}
	return nil
}

// hintTries bounds how often a hint is followed: it is nobody's word, and the
// resolver asks about our own attempts by itself.
const hintTries = 5

type hintWorker struct {
	river.WorkerDefaults[args.FollowHint]
	callbacks Callbacks
}

// NextRetry leaves a provider that does not answer some time.
func (w *hintWorker) NextRetry(job *river.Job[args.FollowHint]) time.Time {
	return time.Now().Add(time.Duration(job.Attempt) * 30 * time.Second)
}

// Work asks the provider once.
func (w *hintWorker) Work(ctx context.Context, job *river.Job[args.FollowHint]) error {
	err := w.callbacks.Follow(ctx, job.Args.MerchantID, job.Args.ConnectionID, job.Args.ProviderRef)
	if err != nil && (job.Attempt >= hintTries || domain.CodeOf(err) == domain.NotFound) {
		return river.JobCancel(err)
	}
	return err
}

// sweepWorker is the second net under the resolve jobs: a job can be lost (its
// attempts used up while the house was broken), the row cannot.
type sweepWorker struct {
	river.WorkerDefaults[args.SweepOpen]
	store *store.Store
	log   *slog.Logger
}

// Work walks the merchants one short tenant transaction at a time.
func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[args.SweepOpen]) error {
	return Sweep(ctx, w.store, w.log, time.Now())
}

// Sweep puts back the resolve job of every transaction whose next question is
// overdue at the given time, and asks once a day about what waits for a person:
// nothing that is not final is forgotten. A transaction that still has its job is
// left alone.
func Sweep(ctx context.Context, st *store.Store, log *slog.Logger, now time.Time) error {
	for after := (domain.MerchantID{}); ; {
		merchants, err := st.MerchantIDs(ctx, after, 500)
		if err != nil || len(merchants) == 0 {
			return err
		}
		for _, m := range merchants {
			after = m
			var late, waiting []domain.TransactionID
			var calls []domain.CallbackID
			err := st.ReadTenant(ctx, m, func(tx *store.Tx) (err error) {
				if late, err = tx.OpenTransactions(ctx, now.Add(-overdue), 100); err != nil {
					return err
				}
				if waiting, err = tx.WaitingForPerson(ctx, now, 100); err != nil {
					return err
				}
				calls, err = tx.UnhandledCallbacks(ctx, now.Add(-overdue), 100)
				return err
			})
			if err != nil {
				return err
			}
			if len(late)+len(calls)+len(waiting) == 0 {
				continue
			}
			if len(late)+len(calls) > 0 {
				log.WarnContext(ctx, "transactions without a timely question, or callbacks without their job", "merchant", m.String(), "transactions", len(late), "callbacks", len(calls))
			}
			err = st.InTenant(ctx, m, func(tx *store.Tx) error {
				for _, id := range slices.Concat(late, waiting) {
					if err := tx.Enqueue(ctx, args.ResolveTransaction{MerchantID: m, TransactionID: id}, now); err != nil {
						return err
					}
				}
				for _, id := range calls {
					if err := tx.Enqueue(ctx, args.HandleCallback{MerchantID: m, CallbackID: id}, now); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
}

// alertWorker writes the alerts of the holds that lapse soon.
type alertWorker struct {
	river.WorkerDefaults[args.AlertHolds]
	store   *store.Store
	alerter Resolver
	log     *slog.Logger
}

// Work walks the merchants one short tenant transaction at a time.
func (w *alertWorker) Work(ctx context.Context, _ *river.Job[args.AlertHolds]) error {
	for after := (domain.MerchantID{}); ; {
		merchants, err := w.store.MerchantIDs(ctx, after, 500)
		if err != nil || len(merchants) == 0 {
			return err
		}
		for _, m := range merchants {
			after = m
			n, err := w.alerter.AlertHolds(ctx, m)
			if err != nil {
				return err
			}
			if n > 0 {
				w.log.InfoContext(ctx, "holds lapse soon", "merchant", m.String(), "alerts", n)
			}
		}
	}
}

type errorHandler struct{ log *slog.Logger }

func (h errorHandler) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	h.log.ErrorContext(ctx, "job failed", "kind", job.Kind, "job", job.ID, "attempt", job.Attempt, "error", err)
	return nil
}

func (h errorHandler) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	h.log.ErrorContext(ctx, "job panicked", "kind", job.Kind, "job", job.ID, "panic", fmt.Sprint(value), "trace", trace)
	return nil
}

// warnOnly keeps River's own chatter out of the log, and its complaints that it
// was told to stop.
type warnOnly struct{ slog.Handler }

func (w warnOnly) Handle(ctx context.Context, r slog.Record) error {
	stopped := false
	r.Attrs(func(a slog.Attr) bool {
		stopped = stopped || strings.Contains(a.Value.String(), context.Canceled.Error())
		return !stopped
	})
	if stopped || strings.Contains(r.Message, context.Canceled.Error()) {
		return nil
	}
	return w.Handler.Handle(ctx, r)
}

func (w warnOnly) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}
func (w warnOnly) WithAttrs(a []slog.Attr) slog.Handler { return warnOnly{w.Handler.WithAttrs(a)} }
func (w warnOnly) WithGroup(n string) slog.Handler      { return warnOnly{w.Handler.WithGroup(n)} }
