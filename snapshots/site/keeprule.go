package site

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/statement"
	"holdfast/snapshots/keep"
)

// Keep rules stand in three places: the site's own rows say which one is in force, the log shows that it was said in
// public, and a by-rule statement names it. The site chooses only what all three agree on (T32, T58).

// KeepLeaf is the body of a keep-rule-set leaf: the rule of a number of a volume.
type KeepLeaf struct {
	Tenant, Volume string
	Number         int64
	Rule           string
	// By is who set it: a person, or the request by which it was shortened.
	By string
}

const keepHead = "holdfast keep rule v1\n"

// Body is the leaf's body, whose one spelling a site reads.
func (k KeepLeaf) Body() []byte {
	return fmt.Appendf(nil, "%stenant %s\nvolume %s\nnumber %d\nby %s\nrule %s\n", keepHead, k.Tenant, k.Volume, k.Number, k.By, k.Rule)
}

// ID names the rule in a statement.
func (k KeepLeaf) ID() string { return k.Volume + ":" + strconv.FormatInt(k.Number, 10) }

// ParseKeepLeaf reads what Body writes; false when it is something else.
func ParseKeepLeaf(body []byte) (k KeepLeaf, ok bool) {
	lines := strings.Split(string(body), "\n")
	names := []string{"tenant ", "volume ", "number ", "by ", "rule "}
	if len(body) > maxKeepLeaf || len(lines) != len(names)+2 || lines[0]+"\n" != keepHead {
		return k, false
	}
	v := make([]string, len(names))
	for i, n := range names {
		if v[i], ok = strings.CutPrefix(lines[i+1], n); !ok {
			return KeepLeaf{}, false
		}
	}
	n, err := strconv.ParseInt(v[2], 10, 64)
	k = KeepLeaf{Tenant: v[0], Volume: v[1], Number: n, By: v[3], Rule: v[4]}
	if _, bad := keep.Parse(k.Rule); err != nil || n < 1 || bad != nil || k.Tenant == "" || k.Volume == "" || k.By == "" || !bytes.Equal(k.Body(), body) {
		return KeepLeaf{}, false
	}
	return k, true
}

// learnKeepRule remembers a rule that was said in the log. Which one is in force the site's own rows say.
func learnKeepRule(ctx context.Context, tx *sqldb.Tx, e audit.Entry) error {
	k, ok := ParseKeepLeaf(e.Body)
	if !ok {
		return nil
	}
	hash := audit.LeafHash(e.Leaf)
	_, err := tx.Exec(ctx, `INSERT INTO gate_keep_rules (leaf, leaf_hash, tenant, volume, number, rule) VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT (leaf) DO NOTHING`,
		e.Index, hash[:], k.Tenant, k.Volume, k.Number, k.Rule)
	return err
}

// ruleInForce is the newest keep rule of a volume, with the first leaf that shows the very same. ErrNoRule when the volume
// keeps all, ErrNotLogged while the log does not show it.
func ruleInForce(ctx context.Context, tx *sqldb.Tx, tenant, volume string) (k statement.KeepRule, err error) {
	var number int64
	err = tx.QueryRow(ctx, `SELECT r.number, r.rule FROM keep_rules r JOIN volumes v ON v.id = r.volume
		WHERE r.volume = $1 AND v.tenant = $2 ORDER BY r.number DESC LIMIT 1`, volume, tenant).Scan(&number, &k.Text)
	if errors.Is(err, sql.ErrNoRows) {
		return k, ErrNoRule
	}
	if err != nil {
		return k, err
	}
	var hash []byte
	err = tx.QueryRow(ctx, `SELECT leaf_hash FROM gate_keep_rules WHERE volume = $1 AND tenant = $2 AND number = $3 AND rule = $4 ORDER BY leaf LIMIT 1`,
		volume, tenant, number, k.Text).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return k, fmt.Errorf("%w: number %d of %s", ErrNotLogged, number, volume)
	}
	if err != nil {
		return k, err
	}
	k.ID = KeepLeaf{Volume: volume, Number: number}.ID()
	return k, fixed(&k.Leaf, hash)
}

// Choice is what the newest keep rule of a volume does not keep here.
type Choice struct {
	Rule statement.KeepRule
	// Snapshots are ids in text form, oldest first.
	Snapshots []string
}

// Choose implements Site.
func (p *Primary) Choose(ctx context.Context, tenant, volume string) (c Choice, err error) {
	if _, err := p.Follow(ctx); err != nil {
		return c, err
	}
	reading, err := p.c.Clock.Read(ctx)
	if err != nil {
		return c, err
	}
	err = p.read(ctx, func(tx *sqldb.Tx) error {
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		if c.Rule, err = ruleInForce(ctx, tx, tenant, volume); err != nil {
			return err
		}
		c.Snapshots, err = p.unkept(ctx, tx, tenant, volume, c.Rule.Text, newest.c.Undo, reading.Wall)
		return err
	})
	return c, err
}

// chosen answers what a by-rule statement may name: nothing, unless its rule is the one in force and in the log.
func (p *Primary) chosen(ctx context.Context, tx *sqldb.Tx, st statement.Statement, undo time.Duration, now time.Time) ([]string, error) {
	if st.Rule == nil || len(st.Volumes) != 1 {
		return nil, nil
	}
	volume := st.Volumes[0].ID
	k, err := ruleInForce(ctx, tx, st.Tenant.ID, volume)
	if errors.Is(err, ErrNoRule) || errors.Is(err, ErrNotLogged) || err == nil && k != *st.Rule {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return p.unkept(ctx, tx, st.Tenant.ID, volume, k.Text, undo, now)
}

// unkept evaluates a rule on the site's own inventory. Only restore points count, and nothing that is pinned or held.
func (p *Primary) unkept(ctx context.Context, tx *sqldb.Tx, tenant, volume, rule string, undo time.Duration, now time.Time) ([]string, error) {
	r, err := keep.Parse(rule)
	if err != nil {
		return nil, err
	}
	points, _, err := p.keepPoints(ctx, tx, tenant, volume, undo, now)
	if err != nil {
		return nil, err
	}
	return keep.Choose(r, points)
}

// keepPoints are the copies of a volume that are here and not hidden, as a rule looks at them, and what is known of each
// under the same index, newest first.
func (p *Primary) keepPoints(ctx context.Context, tx *sqldb.Tx, tenant, volume string, undo time.Duration, now time.Time) (list []keep.Point, copies []Point, err error) {
	over, err := stopsOver(ctx, tx, tenant)
	if err != nil {
		return nil, nil, err
	}
	own, err := ownUndo(ctx, tx, volume)
	if err != nil {
		return nil, nil, err
	}
	if err := eachHeld(ctx, tx, p.c.Name, tenant, volume, func(x Point) bool {
		copies = append(copies, x)
		return true
	}); err != nil {
		return nil, nil, err
	}
	pinned, err := pinnedIn(ctx, tx, volume)
	if err != nil {
		return nil, nil, err
	}
	held := over.all || slices.Contains(over.volumes, volume)
	list = make([]keep.Point, 0, len(copies))
	for _, c := range copies {
		list = append(list, keep.Point{ID: c.Snapshot, TakenAt: c.TakenAt, Counts: restorePoint(volume, c).Counts(now, max(undo, own)), Kept: held || pinned[c.Snapshot]})
	}
	return list, copies, nil
}

// Weighed is what a rule makes of one copy that is here.
type Weighed struct {
	*Point
	// Counts says that it is a restore point; Kept that a pin or a hold keeps it, whatever the rule.
	Counts, Kept bool
	// Chosen says that the rule does not keep it, By by which measures it does.
	Chosen bool
	By     []string
}

// Weigh implements Site.
func (p *Primary) Weigh(ctx context.Context, tenant, volume string, rules ...string) (out [][]Weighed, err error) {
	reading, err := p.c.Clock.Read(ctx)
	if err != nil {
		return nil, err
	}
	var points []keep.Point
	var copies []Point
	if err := p.read(ctx, func(tx *sqldb.Tx) error {
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		points, copies, err = p.keepPoints(ctx, tx, tenant, volume, newest.c.Undo, reading.Wall)
		return err
	}); err != nil {
		return nil, err
	}
	// Judge sorts as they came; only where it did not are they looked up.
	var facts map[string]*Point
	find := func(i int, id string) *Point {
		if copies[i].Snapshot == id {
			return &copies[i]
		}
		if facts == nil {
			facts = make(map[string]*Point, len(copies))
			for i := range copies {
				facts[copies[i].Snapshot] = &copies[i]
			}
		}
		return facts[id]
	}
	for _, rule := range rules {
		r, err := keep.Parse(rule)
		if err != nil {
			return nil, err
		}
		verdicts, err := keep.Judge(r, points)
		if err != nil {
			return nil, err
		}
		list := make([]Weighed, 0, len(verdicts))
		for i, v := range verdicts {
			list = append(list, Weighed{Point: find(i, v.ID), Counts: v.Counts, Kept: v.Kept, Chosen: v.Chosen, By: v.By})
		}
		out = append(out, list)
	}
	return out, nil
}

func pinnedIn(ctx context.Context, tx *sqldb.Tx, volume string) (map[string]bool, error) {
	// CROSS JOIN: from the pins on, of which there are few.
	rows, err := tx.Query(ctx, `SELECT p.snapshot FROM pins p CROSS JOIN snapshots s WHERE s.id = p.snapshot AND s.volume = $1`, volume)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out[s] = true
	}
	return out, rows.Err()
}
