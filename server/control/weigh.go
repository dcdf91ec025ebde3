package control

import (
	"context"
	"slices"

	"holdfast/authz"
	"holdfast/quorum/charter"
	"holdfast/server/wire"
	"holdfast/snapshots"
	"holdfast/snapshots/keep"
	"holdfast/snapshots/site"
)

// WeighRetention says what the keep rule in force makes of a volume's snapshots, and
// what another one would, if rule is not empty. It changes nothing. show selects
// the snapshots that are listed: all when empty, kept, unkept or uncounted, by the
// rule asked about where there is one; from and limit choose a page of them.
func (c *Control) WeighRetention(ctx context.Context, who Caller, ref, rule, show string, from int64, limit int) (out wire.KeepPreview, err error) {
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.SnapshotView)
	}
	if err != nil {
		return out, err
	}
	if !slices.Contains([]string{"", "kept", "unkept", "uncounted"}, show) || from < 0 {
		return out, newError(wire.TypeInvalid, nil, "show is kept, unkept or uncounted, and from is not negative.")
	}
	if limit <= 0 || limit > maxWeighed {
		limit = maxWeighed
	}
	k, err := c.Data.KeepRule(ctx, v.Tenant, v.ID)
	if err != nil {
		return out, wrap(err)
	}
	rules := []string{k.Rule}
	if rule != "" {
		rules = append(rules, rule)
		if out.Effect, err = c.effectOf(ctx, v, k, rule); err != nil {
			return out, err
		}
	}
	weighed, err := c.Gate.Weigh(ctx, v.Tenant, v.ID.String(), rules...)
	if err != nil {
		return out, wrap(err)
	}
	now := weighed[0]
	asked := weighed[len(weighed)-1]
	out.Volume, out.Now, out.Snapshots = v.ID.String(), tally(k.Rule, now), []wire.KeepVerdict{}
	if rule != "" {
		next := tally(rule, asked)
		out.Next = &next
	}
	for i, x := range asked { // the same snapshots in the same order under every rule
		if show != "" && show != verdict(x) {
			continue
		}
		if n := out.Matching - from; n >= 0 && n < int64(limit) {
			one := wire.KeepVerdict{Snapshot: x.Snapshot, TakenAt: x.TakenAt, Bytes: int64(x.Bytes), Counts: x.Counts && !x.Kept, Why: uncountedFor(x),
				Kept: !now[i].Chosen, By: now[i].By}
			if rule != "" {
				kept := !x.Chosen
				one.NextKept, one.NextBy = &kept, x.By
			}
			out.Snapshots = append(out.Snapshots, one)
		}
		out.Matching++
	}
	if next := from + int64(len(out.Snapshots)); len(out.Snapshots) > 0 && next < out.Matching {
		out.NextFrom = next
	}
	for i := range out.Snapshots {
		s := &out.Snapshots[i]
		id, err := snapshots.ParseSnapshotID(s.Snapshot)
		if err != nil {
			return out, wrap(err)
		}
		found, err := c.Data.Snapshot(ctx, v.Tenant, id)
		if err != nil {
			return out, wrap(err)
		}
		s.Name = found.Note
	}
	return out, nil
}

// maxWeighed is how many snapshots one answer lists at most.
const maxWeighed = 500

// effectOf says what setting a rule would be: no change, done at once, or a request.
func (c *Control) effectOf(ctx context.Context, v snapshots.Volume, k snapshots.KeepRule, rule string) (string, error) {
	next, err := keep.Parse(rule)
	if err != nil {
		return "", wrap(err)
	}
	now, err := keep.Parse(k.Rule)
	if err != nil {
		return "", wrap(err)
	}
	authority, err := c.keepAuthority(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case next == now:
		return "same", nil
	case next.All || authority != charter.KeepByQuorum && next.Covers(now):
		return "at-once", nil
	case k.Number == 0 && authority != charter.KeepByQuorum:
		taken, err := c.Data.Snapshots(ctx, v.Tenant, v.ID, snapshots.SnapshotID{}, 1)
		if err == nil && len(taken) == 0 {
			return "at-once", nil
		}
		if err != nil {
			return "", wrap(err)
		}
	}
	return "request", nil
}

func verdict(x site.Weighed) string {
	switch {
	case x.Chosen:
		return "unkept"
	case x.Counts && !x.Kept:
		return "kept"
	}
	return "uncounted"
}

func tally(rule string, list []site.Weighed) wire.KeepTally {
	out := wire.KeepTally{Rule: rule}
	for _, x := range list {
		switch verdict(x) {
		case "unkept":
			out.Unkept++
			out.UnkeptBytes += int64(x.Bytes)
		case "kept":
			out.Kept++
		default:
			out.Uncounted++
		}
	}
	return out
}

// uncountedFor says why a snapshot is nothing that a rule could choose.
func uncountedFor(x site.Weighed) string {
	switch {
	case x.Kept:
		return "protected"
	case x.Counts:
		return ""
	case x.Suspect != "":
		return "suspect"
	case !x.Proven:
		return "not-proven"
	}
	return "young" // all else that a restore point needs it has
}
