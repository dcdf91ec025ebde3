package control_test

import (
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// stalled has f's two rivals meet at the request's row, which the test has locked: both have verified all that they bring
// when the lock is given up, so that neither knows of the other.
func (w *world) stalled(request string, rivals ...func() error) []error {
	w.t.Helper()
	locked, goOn, held := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		held <- w.DB.Write(w.t.Context(), func(tx *sqldb.Tx) error {
			if err := quorumsql.LockCharter(w.t.Context(), tx); err != nil {
				return err
			}
			if _, err := quorumsql.LockRequest(w.t.Context(), tx, request); err != nil {
				return err
			}
			close(locked)
			<-goOn
			return nil
		})
	}()
	<-locked
	begun := make(chan struct{}, len(rivals))
	answers := make([]chan error, len(rivals))
	for i, f := range rivals {
		answers[i] = make(chan error, 1)
		go func() {
			begun <- struct{}{}
			answers[i] <- f()
		}()
	}
	for range rivals {
		<-begun
	}
	for i := range answers {
		select {
		case err := <-answers[i]:
			w.t.Fatalf("rival %d was done while the request was locked: %v", i, err)
		default:
		}
	}
	close(goOn)
	w.ok(<-held)
	out := make([]error, len(rivals))
	for i := range answers {
		out[i] = <-answers[i]
	}
	return out
}

// T17: the final approve and its rivals all wait at the request's row; whoever gets it first, there is one outcome, the
// same for everybody, and the log has it once.
func TestT17_RivalsThatMeetAtTheLock(t *testing.T) {
	type rival struct {
		name  string
		begin func(w *world, r wire.Request) func() error
		state string
	}
	rivals := []rival{
		{"a second final approve", func(w *world, r wire.Request) func() error { return w.ballot(2, r.ID, "approve") }, "cooling"},
		{"deny", func(w *world, r wire.Request) func() error { return w.ballot(3, r.ID, "deny") }, "denied"},
		{"cancel", func(w *world, r wire.Request) func() error {
			return func() error { _, err := w.CancelRequest(w.t.Context(), w.owner.Who(), r.ID, "no"); return err }
		}, "cancelled"},
		{"freeze", func(w *world, r wire.Request) func() error {
			return func() error {
				_, err := w.Freeze(w.t.Context(), w.owner.Who(), wire.PlaceFreeze{Reason: "no"})
				return err
			}
		}, "cooling"},
	}
	for _, rival := range rivals {
		t.Run(rival.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				doomed := w.history(1)
				r := w.ask(doomed...)
				w.approve(r.ID, 0)
				errs := w.stalled(r.ID, w.ballot(1, r.ID, "approve"), rival.begin(w, r))
				s := w.is(r.ID, rival.state)
				ended := len(w.Leaves(t, r.ID, audit.KindRequestDenied)) + len(w.Leaves(t, r.ID, audit.KindRequestCancelled))
				cooling := len(w.Leaves(t, r.ID, audit.KindRequestCooling))
				if rival.state == "cooling" && (ended != 0 || cooling != 1 || s.Need.Got < 2) || rival.state != "cooling" && (ended != 1 || cooling > 1) {
					t.Fatalf("%d ended, %d cooling, %+v, %v", ended, cooling, s.Need, errs)
				}
				if rival.name == "freeze" || rival.state != "cooling" {
					w.Pass(controltest.Cooling + 5*time.Second)
					w.is(r.ID, rival.state)
					w.unharmed(doomed...)
				}
			})
		})
	}
}

// ballot prepares a vote down to the passkey's answer.
func (w *world) ballot(approver int, request, decision string) func() error {
	w.t.Helper()
	a := w.Approvers[approver]
	o, err := a.BeginVote(w.t.Context(), a.Who(), request, decision)
	w.ok(err)
	answer, who := a.Answer(o.PasskeyOptions), a.Who()
	return func() error {
		_, err := w.CastVote(w.t.Context(), who, request, wire.CastVote{Decision: decision, Reason: "x", Passkey: &answer})
		return err
	}
}
