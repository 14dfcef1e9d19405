package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/jobs/args"
	"github.com/counterfoil/counterfoil/services/store"
)

// deviceWorkers work the queue of the terminals; roundEvery is how often it is
// looked for what is due, listsEvery how often the providers' lists are read.
const (
	deviceWorkers = 4
	roundEvery    = time.Minute
	listsEvery    = 15 * time.Minute
)

// Fleet is what the jobs about terminals call.
type Fleet interface {
	// SyncMerchant reads the lists anew; TooMany when it is to come back later.
	SyncMerchant(ctx context.Context, m domain.MerchantID) error
	CheckDue(ctx context.Context, m domain.MerchantID) (int, error)
	// Send and Follow give a positive time when to come back.
	Send(ctx context.Context, m domain.MerchantID, id domain.CommandID) (again time.Duration, err error)
	Follow(ctx context.Context, m domain.MerchantID, id domain.CommandID) (again time.Duration, err error)
	Sweep(ctx context.Context, m domain.MerchantID) error
	AlertSilent(ctx context.Context, m domain.MerchantID) (int, error)
}

// Option adds to what a runner works.
type Option func(*setup)

type setup struct{ fleet Fleet }

// WithFleet has the runner work the jobs about terminals.
func WithFleet(f Fleet) Option { return func(s *setup) { s.fleet = f } }

// addFleet adds the workers, the queue and the periodic jobs of the terminals.
func addFleet(cfg *river.Config, st *store.Store, f Fleet, log *slog.Logger) {
	river.AddWorker(cfg.Workers, &sendWorker{fleet: f})
	river.AddWorker(cfg.Workers, &followWorker{fleet: f})
	river.AddWorker(cfg.Workers, &syncWorker{fleet: f, log: log})
	river.AddWorker(cfg.Workers, &checkWorker{fleet: f})
	river.AddWorker(cfg.Workers, &roundWorker{store: st, fleet: f, log: log})
	river.AddWorker(cfg.Workers, &listsWorker{store: st})
	cfg.Queues[store.DeviceQueue] = river.QueueConfig{MaxWorkers: deviceWorkers}
	once := func(a river.JobArgs) river.PeriodicJobConstructor {
		return func() (river.JobArgs, *river.InsertOpts) {
			return a, &river.InsertOpts{MaxAttempts: 1, Queue: sweepQueue}
		}
	}
	cfg.PeriodicJobs = append(cfg.PeriodicJobs,
		river.NewPeriodicJob(river.PeriodicInterval(roundEvery), once(args.DeviceRound{}), &river.PeriodicJobOpts{RunOnStart: true}),
		river.NewPeriodicJob(river.PeriodicInterval(listsEvery), once(args.DeviceLists{}), &river.PeriodicJobOpts{RunOnStart: true}))
}

// again is what a job's answer means to the queue.
func again(wait time.Duration, err error) error {
	switch {
	case domain.CodeOf(err) == domain.NotFound:
		return river.JobCancel(err)
	case err != nil:
		return err
	case wait > 0:
		return river.JobSnooze(wait)
	}
	return nil
}

type sendWorker struct {
	river.WorkerDefaults[args.SendDeviceCommand]
	fleet Fleet
}

// NextRetry keeps trying at a steady pace when our own house is broken: what was
// not marked as being sent has not left.
func (w *sendWorker) NextRetry(*river.Job[args.SendDeviceCommand]) time.Time {
	return time.Now().Add(15 * time.Second)
}

// Work sends the command, once however often it runs.
func (w *sendWorker) Work(ctx context.Context, job *river.Job[args.SendDeviceCommand]) error {
	return again(w.fleet.Send(ctx, job.Args.MerchantID, job.Args.CommandID))
}

type followWorker struct {
	river.WorkerDefaults[args.FollowDeviceCommand]
	fleet Fleet
}

// NextRetry keeps looking at a steady pace when our own house is broken.
func (w *followWorker) NextRetry(*river.Job[args.FollowDeviceCommand]) time.Time {
	return time.Now().Add(15 * time.Second)
}

// Work looks once, and comes back while nothing confirms the command.
func (w *followWorker) Work(ctx context.Context, job *river.Job[args.FollowDeviceCommand]) error {
	return again(w.fleet.Follow(ctx, job.Args.MerchantID, job.Args.CommandID))
}

// syncTries bounds how often a list is asked for again within its quarter of an
// hour.
const syncTries = 4

type syncWorker struct {
	river.WorkerDefaults[args.SyncDevices]
	fleet Fleet
	log   *slog.Logger
}

// NextRetry leaves a provider that asked for patience more time at each try.
func (w *syncWorker) NextRetry(job *river.Job[args.SyncDevices]) time.Time {
	return time.Now().Add(30 * time.Second << min(job.Attempt-1, 5))
}

// Work reads the lists.
func (w *syncWorker) Work(ctx context.Context, job *river.Job[args.SyncDevices]) error {
	err := w.fleet.SyncMerchant(ctx, job.Args.MerchantID)
	if err != nil && job.Attempt >= syncTries {
		w.log.WarnContext(ctx, "the list of terminals is left until the next round", "merchant", job.Args.MerchantID.String(), "error", err)
		return river.JobCancel(err)
	}
	return err
}

type checkWorker struct {
	river.WorkerDefaults[args.CheckDevices]
	fleet Fleet
}

// Work asks the terminals that are due; the next round asks the others.
func (w *checkWorker) Work(ctx context.Context, job *river.Job[args.CheckDevices]) error {
	_, err := w.fleet.CheckDue(ctx, job.Args.MerchantID)
	if err != nil {
		return river.JobCancel(err)
	}
	return nil
}

// roundWorker walks the merchants one short unit of work at a time.
type roundWorker struct {
	river.WorkerDefaults[args.DeviceRound]
	store *store.Store
	fleet Fleet
	log   *slog.Logger
}

// Work puts checks in the queue, and looks for lost commands and silent
// terminals. A merchant without terminals costs one statement.
func (w *roundWorker) Work(ctx context.Context, _ *river.Job[args.DeviceRound]) error {
	return eachMerchant(ctx, w.store, func(m domain.MerchantID) error {
		var any, due bool
		now := time.Now()
		err := w.store.ReadTenant(ctx, m, func(tx *store.Tx) (err error) {
			any, due, err = tx.HasDevices(ctx, now)
			return err
		})
		if err != nil || !any {
			return err
		}
		if due {
			err := w.store.InTenant(ctx, m, func(tx *store.Tx) error { return tx.Enqueue(ctx, args.CheckDevices{MerchantID: m}, now) })
			if err != nil {
				return err
			}
		}
		if err := w.fleet.Sweep(ctx, m); err != nil {
			return err
		}
		n, err := w.fleet.AlertSilent(ctx, m)
		if n > 0 {
			w.log.InfoContext(ctx, "terminals are silent", "merchant", m.String(), "alerts", n)
		}
		return err
	})
}

// listsWorker puts the reading of each merchant's lists in the queue, a little
// apart from each other.
type listsWorker struct {
	river.WorkerDefaults[args.DeviceLists]
	store *store.Store
}

// Work walks the merchants.
func (w *listsWorker) Work(ctx context.Context, _ *river.Job[args.DeviceLists]) error {
	at := time.Now()
	return eachMerchant(ctx, w.store, func(m domain.MerchantID) error {
		at = at.Add(200 * time.Millisecond)
		return w.store.InTenant(ctx, m, func(tx *store.Tx) error { return tx.Enqueue(ctx, args.SyncDevices{MerchantID: m}, at) })
	})
}

// eachMerchant walks the merchants in the order of their ids.
func eachMerchant(ctx context.Context, st *store.Store, f func(domain.MerchantID) error) error {
	for after := (domain.MerchantID{}); ; {
		merchants, err := st.MerchantIDs(ctx, after, 500)
		if err != nil || len(merchants) == 0 {
			return err
		}
		for _, m := range merchants {
			after = m
			if err := f(m); err != nil {
				return err
			}
		}
	}
}
