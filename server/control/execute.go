package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	"holdfast/quorum/clock"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/snapshots/site"
)

// What the jobs call, each bounded and to be called again at any time. The
// control plane only carries orders out that people decided; the site checks all
// of it again and can refuse.

// The topics of the outbox.
const (
	topicCharter = "charter" // the site learns of a charter
	topicDeliver = "deliver" // the site gets a warrant
	topicStop    = "stop"    // the site gets a stop
)

// Tick brings every timer to what the clocks say and ends what has expired. It is
// called about once a second. A jump of the clocks stops everything destructive.
func (c *Control) Tick(ctx context.Context) error {
	if _, err := c.Gate.Tick(ctx); err != nil && !errors.Is(err, site.ErrCharter) { // before the ceremony a site has nothing to time
		c.Log.ErrorContext(ctx, "the site's clocks could not be read", "error", err)
	}
	reading, err := c.Clock.Read(ctx)
	if err != nil {
		return wrap(err) // nothing is credited
	}
	var errs []error
	for _, p := range []quorum.Phase{quorum.Open, quorum.Cooling, quorum.Executing, quorum.Tombstoned} {
		errs = append(errs, c.eachIn(ctx, p, func(line quorumsql.Line) error { return c.tickOne(ctx, line, reading) }))
	}
	return errors.Join(errs...)
}

func (c *Control) tickOne(ctx context.Context, line quorumsql.Line, reading clock.Reading) error {
	at := reading.Wall.UTC().Truncate(time.Microsecond)
	expires := line.Phase == quorum.Open && at.After(line.VoteUntil) || at.After(line.ExecuteUntil)
	if line.Phase == quorum.Open && !expires {
		return nil
	}
	return c.write(ctx, func(tx *sqldb.Tx) error {
		r, err := quorumsql.LockRequest(ctx, tx, line.ID)
		if err != nil || r.State.Phase.Ended() {
			return err
		}
		if expires {
			next, err := quorumsql.Record(ctx, tx, r, quorum.ExpiryReached{At: at})
			if isAny(err, quorum.ErrNotDue, quorum.ErrPhase) {
				return nil
			}
			if err != nil {
				return err
			}
			return c.logTransition(ctx, tx, audit.KindRequestExpired, next, at, nil)
		}
		before := r.State.Stopped()
		next, _, err := quorumsql.Tick(ctx, tx, r, reading)
		if err != nil || before != nil || next.State.Stopped() == nil {
			return err
		}
		_, err = c.record(ctx, tx, at, entry{kind: audit.KindAlarm, tenant: next.State.Tenant, subject: next.ID(), body: map[string]string{
			"tenant": next.State.Tenant, "request": next.ID(), "alarm": "the clocks contradict each other: nothing destructive goes on",
		}})
		return err
	})
}

// tampered raises the alarm, once, of a request whose stored rows are not what was
// signed (T20, T41). Nothing destructive ever comes of such a request.
func (c *Control) tampered(ctx context.Context, request, tenant string, cause error) {
	if !errors.Is(cause, quorum.ErrTampered) {
		return
	}
	c.Log.ErrorContext(ctx, "a request's rows were changed in the database", "request", request, "error", cause)
	err := c.enter(ctx, "tampered "+request, entry{kind: audit.KindAlarm, tenant: tenant, subject: request, body: map[string]string{
		"tenant": tenant, "request": request, "alarm": "what is stored of this request is not what was signed: nothing of it is executed",
	}})
	if err != nil {
		c.Log.ErrorContext(ctx, "an alarm could not be logged", "request", request, "error", err)
	}
}

// eachIn gives every request of a phase to f, and goes on after errors.
func (c *Control) eachIn(ctx context.Context, p quorum.Phase, f func(quorumsql.Line) error) error {
	var errs []error
	for after := ""; ; {
		var lines []quorumsql.Line
		if err := c.read(ctx, func(tx *sqldb.Tx) (err error) {
			lines, err = quorumsql.InPhase(ctx, tx, p, after, maxListedRequests)
			return err
		}); err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, line := range lines {
			after = line.ID
			if err := f(line); err != nil {
				c.tampered(ctx, line.ID, line.Tenant, err)
				errs = append(errs, fmt.Errorf("%s: %w", line.ID, err))
			}
		}
		if len(lines) < maxListedRequests {
			return errors.Join(errs...)
		}
	}
}

// Deliver works the outbox to the site off: charters first, then stops, then
// warrants, so that nothing is delivered before what could stop it.
func (c *Control) Deliver(ctx context.Context) error {
	return errors.Join(
		c.work(ctx, topicCharter, c.deliverCharter),
		c.work(ctx, topicStop, func(ctx context.Context, j quorumsql.Job) ([]byte, error) {
			receipt, err := c.Gate.Stop(ctx, j.Body)
			if errors.Is(err, site.ErrUnknownRequest) || errors.Is(err, site.ErrTooLate) {
				err = nil // it names a request that this site has not seen, or has finished with
			}
			return receiptText(receipt, err)
		}),
		c.work(ctx, topicDeliver, func(ctx context.Context, j quorumsql.Job) ([]byte, error) {
			if due, err := c.deliverable(ctx, string(j.Body)); err != nil || !due {
				return []byte(`"nothing to deliver"`), err
			}
			text, err := c.warrant(ctx, string(j.Body))
			if err != nil {
				return nil, err
			}
			return receiptText(c.Gate.Deliver(ctx, text))
		}),
	)
}

// deliverable says that a request still lives and that the site has a part in it.
func (c *Control) deliverable(ctx context.Context, request string) (due bool, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		r, err := quorumsql.LoadRequest(ctx, tx, request)
		due = !r.State.Phase.Ended() && siteActs(r.State.Action)
		return err
	})
	return due, err
}

// siteActs says that the site has a part in an action: copies, and the stops that
// it keeps itself. Charters reach it by a way of their own.
func siteActs(a statement.Action) bool {
	switch a {
	case statement.ChangeCharter, statement.ResetFactor:
		return false
	}
	return true
}

// receiptText is a job's receipt: the parts of the site's answer that do not
// change when it is asked again.
func receiptText(r site.Receipt, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{"site": r.Site, "request": r.Request, "stop": r.Stop})
}

func (c *Control) deliverCharter(ctx context.Context, j quorumsql.Job) ([]byte, error) {
	hash := strings.TrimPrefix(j.ID, "charter ")
	var next site.Succession
	if err := c.read(ctx, func(tx *sqldb.Tx) error {
		entries, err := quorumsql.LogEntriesOfSubject(ctx, tx, hash, 0, 1)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return quorum.ErrNotFound
		}
		next.Leaf = entries[0].Index
		_, newest, err := quorumsql.NewestCharter(ctx, tx)
		if err != nil {
			return err
		}
		for n := newest.Number; n >= 1; n-- {
			s, ch, err := quorumsql.CharterAt(ctx, tx, n)
			if err != nil {
				return err
			}
			h, err := ch.Hash()
			if err != nil {
				return err
			}
			if digestText(h) == hash {
				next.Signed = s
				return nil
			}
		}
		return quorum.ErrNotFound
	}); err != nil {
		return nil, err
	}
	if err := c.SignCheckpoint(ctx); err != nil {
		return nil, err
	}
	pinned, err := c.Gate.AcceptCharter(ctx, next)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"number": pinned.Number, "hash": digestText(pinned.Hash)})
}

// work claims the due jobs of a topic and does them. A job that fails comes again
// later, and longer each time.
func (c *Control) work(ctx context.Context, topic string, do func(context.Context, quorumsql.Job) ([]byte, error)) error {
	var jobs []quorumsql.Job
	at := c.now()
	if err := c.write(ctx, func(tx *sqldb.Tx) (err error) {
		jobs, err = quorumsql.Claim(ctx, tx, topic, at, outboxLease, quorum.MaxOutboxBatch)
		return err
	}); err != nil {
		return err
	}
	var errs []error
	for _, j := range jobs {
		receipt, err := do(ctx, j)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		done := c.now()
		if e := c.write(ctx, func(tx *sqldb.Tx) error {
			if err != nil {
				return quorumsql.Retry(ctx, tx, j.ID, done.Add(backoff(j.Attempts)), AsError(err).Detail)
			}
			return quorumsql.Finish(ctx, tx, j.ID, receipt, done)
		}); e != nil {
			errs = append(errs, e)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", j.ID, err))
		}
	}
	return errors.Join(errs...)
}

func backoff(attempts int) time.Duration {
	return min(time.Second<<min(attempts, 8), 2*time.Minute)
}

// Execute does what is due: it begins executions whose delay is over, lets the
// site do the next step, and records its receipts.
func (c *Control) Execute(ctx context.Context) error {
	var errs []error
	for _, p := range []quorum.Phase{quorum.Cooling, quorum.Executing, quorum.Tombstoned} {
		errs = append(errs, c.eachIn(ctx, p, func(line quorumsql.Line) error { return c.advanceOne(ctx, line.ID) }))
	}
	return errors.Join(errs...)
}

func (c *Control) advanceOne(ctx context.Context, request string) error {
	due := false
	var s statement.Statement
	at := c.now()
	err := c.write(ctx, func(tx *sqldb.Tx) error {
		due = false
		r, err := quorumsql.LockRequest(ctx, tx, request)
		if err != nil {
			return err
		}
		if s, err = parseStatement(r); err != nil {
			return err
		}
		switch r.State.Phase {
		case quorum.Cooling:
			if r.State.Ready(at) != nil {
				return nil
			}
			if missing, err := c.unsigned(ctx, tx, r); err != nil || missing {
				return err
			}
			if r, err = quorumsql.Record(ctx, tx, r, quorum.ExecutionBegan{Site: c.Gate.Name(), Digest: r.State.Digest, At: at}); err != nil {
				return err
			}
			due = true
			return c.logTransition(ctx, tx, audit.KindRequestExecuting, r, at, map[string]string{"site": c.Gate.Name()})
		case quorum.Executing:
			due = r.State.Ready(at) == nil
		case quorum.Tombstoned:
			due = r.State.Timer.Done() && r.State.Stopped() == nil
		}
		return nil
	})
	if err != nil || !due {
		return err
	}
	if err := c.SignCheckpoint(ctx); err != nil {
		return err
	}
	if !siteActs(s.Action) {
		return c.applyHere(ctx, request, s)
	}
	receipt, err := c.Gate.Advance(ctx, request)
	if errors.Is(err, site.ErrUnknownRequest) {
		// The outbox has not brought the warrant yet, or the site lost it with its database: bring it again.
		text, e := c.warrant(ctx, request)
		if e != nil {
			return e
		}
		receipt, err = c.Gate.Deliver(ctx, text)
	}
	if err == nil && receipt.Waiting == "intent" {
		// What the site has announced just now is in the log. With the next checkpoint it can go on at once.
		if err := c.SignCheckpoint(ctx); err != nil {
			return err
		}
		receipt, err = c.Gate.Advance(ctx, request)
	}
	if err := c.noteWaiting(ctx, request, receipt, err); err != nil {
		return wrap(err)
	}
	return c.recordReceipt(ctx, request, s, receipt)
}

// noteWaiting remembers what the site says that a request waits for, for whoever
// looks, and says it in the log once. A refusal that the site explains is no error
// of the job's: the site has raised its own alarm.
func (c *Control) noteWaiting(ctx context.Context, request string, receipt site.Receipt, err error) error {
	words := waiting[receipt.Waiting]
	if receipt.State == site.Erasing {
		words = "the site is erasing: an undo comes too late, and what is left waits until nothing reads or writes beside it"
	}
	if words == "" {
		c.waits.Delete(request)
		return err
	}
	if before, _ := c.waits.Swap(request, words); before != words {
		c.Log.WarnContext(ctx, "a request waits", "request", request, "why", words, "error", err)
	}
	return nil
}

// recordReceipt brings the request to where the site stands. It is idempotent.
func (c *Control) recordReceipt(ctx context.Context, request string, s statement.Statement, receipt site.Receipt) error {
	at := c.now()
	return c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		r, err := quorumsql.LockRequest(ctx, tx, request)
		if err != nil || r.State.Phase.Ended() {
			return err
		}
		switch receipt.State {
		case site.Tombstoned, site.Erasing:
			return c.recordTombstoned(ctx, tx, r, at)
		case site.Erased:
			if r, err = c.tombstonedFirst(ctx, tx, r, at); err != nil {
				return err
			}
			if r, err = quorumsql.Record(ctx, tx, r, quorum.SiteErased{Site: receipt.Site, Digest: r.State.Digest, At: at}); err != nil {
				return err
			}
			more := map[string]string{"site": receipt.Site, "erased-bytes": fmt.Sprint(receipt.ErasedBytes)}
			if s.Action == statement.DestroyKey {
				if err := c.logTransition(ctx, tx, audit.KindKeyDestroyed, r, at, map[string]string{"site": receipt.Site, "key": s.Subjects[0].ID}); err != nil {
					return err
				}
			}
			return c.logTransition(ctx, tx, audit.KindRequestErased, r, at, more)
		case site.Restored:
			return c.recordRestored(ctx, tx, r, receipt.Site, at)
		case site.Applied:
			return c.apply(ctx, tx, r, s, at)
		}
		return nil
	})
}

func (c *Control) recordTombstoned(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, at time.Time) error {
	if r.State.Phase == quorum.Tombstoned {
		return nil
	}
	r, err := c.tombstonedFirst(ctx, tx, r, at)
	if err != nil {
		return err
	}
	return c.logTransition(ctx, tx, audit.KindRequestTombstoned, r, at, nil)
}

func (c *Control) tombstonedFirst(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, at time.Time) (quorumsql.Request, error) {
	if r.State.Phase == quorum.Tombstoned {
		return r, nil
	}
	return quorumsql.Record(ctx, tx, r, quorum.SiteTombstoned{Site: c.Gate.Name(), Digest: r.State.Digest, At: at})
}
