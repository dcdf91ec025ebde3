package demo

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// lawful: one snapshot goes, as the charter says.
func (p *player) lawful() error {
	ctx := p.ctx
	blobs := filepath.Join(p.dir, "blobs")
	s, err := p.watcher.Snapshot(ctx, p.kept)
	if err != nil {
		return err
	}
	undo, err := p.undo()
	if err != nil {
		return err
	}
	if wait := time.Until(s.TakenAt.Add(undo + 2*time.Second)); wait > 0 {
		p.reporter.say("A snapshot counts as a restore point once it is older than the undo window (%s): %.0f s to go.", undo, wait.Seconds())
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
	_, before, err := inventory(blobs)
	if err != nil {
		return err
	}
	first, err := p.opened("The owner asks for the deletion of nightly 1 and proves presence for exactly this text")
	if err != nil {
		return err
	}
	if err := p.twoTeams(first.ID, true); err != nil {
		return err
	}
	if err := p.standstill(first.ID); err != nil {
		return err
	}
	if err := p.must("", "Cooling-off ends; the copy is hidden behind a tombstone", func() (string, error) {
		if err := p.reaches(ownerEmail, first.ID, "tombstoned"); err != nil {
			return "", err
		}
		n, err := p.marker.found(blobs)
		if err == nil && n != len(p.marker.pieces) {
			err = fmt.Errorf("only %d of %d pieces are still on the disk", n, len(p.marker.pieces))
		}
		return "hidden, and not one byte gone", err
	}); err != nil {
		return err
	}
	if err := p.settle(); err != nil {
		return err
	}
	p.refuse("", "What is tombstoned cannot be read", []string{wire.TypeNotFound, wire.TypeConflict}, func() error {
		body, err := p.watcher.GetTar(ctx, client.Source{Snapshot: p.doomed}, "")
		return drop(body, err)
	})
	if err := p.must("", "Otto brings it back within the grace period, alone, with step-up", func() (string, error) {
		otto, err := p.as(ctx, operatorEmail)
		if err != nil {
			return "", err
		}
		if _, err := otto.UndoRequest(ctx, first.ID, "wait, we need it until Friday"); err != nil {
			return "", err
		}
		if err := p.reaches(ownerEmail, first.ID, "restored"); err != nil {
			return "", err
		}
		_, err = p.content(p.watcher, client.Source{Snapshot: p.kept}, "")
		if err == nil || client.Is(err, wire.TypeInternal) {
			return "", fmt.Errorf("reading a folder as a file: %v", err)
		}
		return "the copy is held again, the warrant is spent", p.readable(p.doomed)
	}); err != nil {
		return err
	}
	second, err := p.opened("Friday: the owner asks once more")
	if err != nil {
		return err
	}
	if err := p.twoTeams(second.ID, false); err != nil {
		return err
	}
	if err := p.erased(second.ID, blobs, before); err != nil {
		return err
	}
	if !p.compare("", "The other snapshot is intact, byte for byte", client.Source{Snapshot: p.kept}, nil) {
		p.summary.RestoredIdentical = false
	}
	if err := p.settle(); err != nil {
		return err
	}
	p.refuse("", "The spent warrant cannot be undone any more", []string{wire.TypeConflict, wire.TypeNotFound}, func() error {
		_, err := p.watcher.UndoRequest(ctx, second.ID, "too late")
		return err
	})
	p.check("", "The warrant is there for anybody who wants to check it", func() (string, error) {
		text, err := p.watcher.Warrant(ctx, second.ID)
		if err == nil && !strings.HasPrefix(text, "holdfast warrant v1\n") {
			err = fmt.Errorf("it begins with %q", text[:min(len(text), 40)])
		}
		return fmt.Sprintf("%d bytes of statement, proofs and votes", len(text)), err
	})
	return p.lastPoints()
}

// lastPoints: two requests at once, that together would leave a volume without a
// restore point, although each of them alone would not.
func (p *player) lastPoints() error {
	play := func(i int) string { return p.state.Snapshots[fmt.Sprintf("play %d", i)] }
	var requests []wire.Request
	if err := p.must("T26", "Two requests are agreed to at once: one for three of the playground's four snapshots, one for the fourth", func() (string, error) {
		for _, snapshots := range [][]string{{play(0), play(1), play(2)}, {play(3)}} {
			d, err := p.watcher.Draft(p.ctx, p.deletion("tidying up", snapshots...))
			if err != nil {
				return "", err
			}
			r, err := p.watcher.ConfirmRequest(p.ctx, d.ID)
			if err != nil {
				return "", err
			}
			requests = append(requests, r)
		}
		for _, r := range requests {
			if err := p.decide(r.ID, []string{benEmail, enzoEmail, danaEmail}, ""); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d and %d approvals are needed, for neither is the last", requests[0].Need.Approvals, requests[1].Need.Approvals), nil
	}); err != nil {
		return err
	}
	p.check("T26", "One of them is executed; the other would take the last restore point, and waits for ever", func() (string, error) {
		if err := until(p.ctx, 2*time.Minute, "one of two requests is erased", func() (bool, error) {
			for _, r := range requests {
				now, err := p.watcher.Request(p.ctx, r.ID)
				if err != nil || now.State == "erased" {
					return true, err
				}
			}
			return false, nil
		}); err != nil {
			return "", err
		}
		if err := pause(p.ctx, 6*time.Second); err != nil {
			return "", err
		}
		left, said := 0, []string{}
		for i := range 4 {
			if p.readable(play(i)) == nil {
				left++
			}
		}
		for _, r := range requests {
			now, err := p.watcher.Request(p.ctx, r.ID)
			if err != nil {
				return "", err
			}
			said = append(said, "one request is "+string(now.State)+strings.Join(append([]string{""}, now.Blocked...), ": "))
		}
		if left == 0 {
			return "", fmt.Errorf("no restore point is left: %s", strings.Join(said, ", "))
		}
		return fmt.Sprintf("%d of 4 snapshots can be restored; %s", left, strings.Join(said, ", ")), nil
	})
	return nil
}

// undo reads the undo window from the charter's lines.
func (p *player) undo() (time.Duration, error) { return time.ParseDuration(p.lines["undo"]) }

// opened asks for the deletion of the doomed snapshot and confirms it.
func (p *player) opened(what string) (r wire.Request, err error) {
	return r, p.must("", what, func() (string, error) {
		d, err := p.watcher.Draft(p.ctx, p.deletion("end of its keeping time", p.doomed))
		if err != nil {
			return "", err
		}
		r, err = p.watcher.ConfirmRequest(p.ctx, d.ID)
		return fmt.Sprintf("%s needs %d approvals of %d teams, surcharges %v", r.ID, r.Need.Approvals, r.Need.Teams, r.Need.Surcharges), err
	})
}

// twoTeams lets approvers of both teams decide: one with a TOTP code, the others
// with software WebAuthn keys.
func (p *player) twoTeams(request string, code bool) error {
	if code {
		if err := p.must("", "Dana of lisbon approves with a TOTP code", func() (string, error) {
			dana, err := p.as(p.ctx, danaEmail)
			if err != nil {
				return "", err
			}
			one, err := p.state.find(danaEmail).code(p.ctx, p.reporter.say)
			if err != nil {
				return "", err
			}
			r, err := dana.CastVote(p.ctx, request, wire.CastVote{Decision: "approve", Code: one})
			return fmt.Sprintf("%d of %d", r.Need.Got, r.Need.Approvals), err
		}); err != nil {
			return err
		}
	}
	return p.must("", "Ben of berlin and Enzo of lisbon approve with their passkeys, as far as they are needed", func() (string, error) {
		return "the quorum is complete", p.decide(request, []string{benEmail, enzoEmail, danaEmail}, "")
	})
}

// standstill: a freeze between quorum and execution.
func (p *player) standstill(request string) error {
	ctx := p.ctx
	vera, err := p.as(ctx, viewerEmail)
	if err != nil {
		return err
	}
	var f wire.Freeze
	if err := p.must("T27", "Vera, who may only look, freezes Acme while the deletion cools off", func() (string, error) {
		f, err = vera.Freeze(ctx, wire.PlaceFreeze{Reason: "is this right?"})
		return f.ID, err
	}); err != nil {
		return err
	}
	p.check("T27", "Nothing happens for twice the cooling-off", func() (string, error) {
		if err := pause(ctx, 7*time.Second); err != nil {
			return "", err
		}
		r, err := p.watcher.Request(ctx, request)
		if err == nil && r.State != "cooling" {
			err = fmt.Errorf("it is %s", r.State)
		}
		return fmt.Sprintf("still cooling, %v", r.Blocked), err
	})
	return p.must("T27", "The owner asks to lift the freeze, Ben and Enzo agree, it goes on", func() (string, error) {
		d, err := p.watcher.Draft(ctx, wire.AskRequest{Action: "lift-freeze", Subject: f.ID, Reason: "yes, it is"})
		if err != nil {
			return "", err
		}
		r, err := p.watcher.ConfirmRequest(ctx, d.ID)
		if err != nil {
			return "", err
		}
		return "lifted", p.decide(r.ID, []string{benEmail, enzoEmail, danaEmail}, "applied")
	})
}

// erased waits for the end and looks at the disk.
func (p *player) erased(request, blobs string, before int64) error {
	return p.must("", "Approvers agree again; after cooling-off and grace the bytes are gone from the disk", func() (string, error) {
		if err := p.reaches(ownerEmail, request, "erased"); err != nil {
			return "", err
		}
		pieces, begun := 0, time.Now()
		if err := until(p.ctx, 3*time.Minute, "the bytes leave the disk", func() (bool, error) {
			var err error
			pieces, err = p.marker.found(blobs)
			return pieces == 0, err
		}); err != nil {
			return "", fmt.Errorf("%w: %d of %d pieces of its ciphertext are still there", err, pieces, len(p.marker.pieces))
		}
		_, now, err := inventory(blobs)
		if err != nil {
			return "", err
		}
		p.summary.ErasedBytes = before - now
		if p.summary.ErasedBytes < markerBytes*9/10 {
			return "", fmt.Errorf("the blob directory shrank by %d bytes only", p.summary.ErasedBytes)
		}
		return fmt.Sprintf("no piece of its ciphertext is found %.1f s after the end; the blob directory is %d bytes smaller", time.Since(begun).Seconds(), p.summary.ErasedBytes), nil
	})
}

// readable says whether a snapshot can be read.
func (p *player) readable(snapshot string) error {
	_, err := p.watcher.SnapshotEntries(p.ctx, snapshot, "", "")
	return err
}
