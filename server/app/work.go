package app

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/server/jobs"
)

// duties is what the service does by itself; each is a use case of
// server/control. A nil one is not done.
type duties struct {
	// Tick reads the clocks and lets the timers of the gate accrue.
	Tick func(context.Context) error
	// SignCheckpoint signs the log's newest leaves.
	SignCheckpoint func(context.Context) error
	// Deliver brings charters, stops and warrants to the site; it needs no Redis, for
	// stops must always arrive.
	Deliver func(context.Context) error
	// Execute lets the site do what is due.
	Execute func(context.Context) error
	// SealSnapshots seals what was taken; ProveSnapshots restores copies and
	// compares.
	SealSnapshots  func(context.Context) error
	ProveSnapshots func(context.Context) error
	// RewrapKeys wraps the tenants' keys for the charter's recovery recipients.
	RewrapKeys func(context.Context) error
	// Reclaim takes what nothing needs any more.
	Reclaim func(context.Context) error
	// RepairLog compares what the site did with what the log says.
	RepairLog func(context.Context) error
	// EndOrphanPacks ends the packs that dead processes left open.
	EndOrphanPacks func(context.Context) error
	// Scrub reads again what is stored, at its own pace.
	Scrub func(context.Context) error
}

// list makes jobs of the duties.
func (d duties) list(rdb redis.UniversalClient) []jobs.Job {
	var out []jobs.Job
	add := func(name string, every, timeout time.Duration, work func(context.Context) error) {
		if work != nil {
			// What runs every second does so for many: one that fails does not have all of them wait for long.
			out = append(out, jobs.Job{Name: name, Every: every, Most: max(mostPause, every), Timeout: timeout, Work: work})
		}
	}
	add("tick", time.Second, 10*time.Second, d.Tick)
	add("checkpoint", time.Second, 30*time.Second, d.SignCheckpoint)
	add("deliver", time.Second, time.Minute, d.Deliver)
	add("execute", time.Second, 10*time.Minute, withRedis(rdb, d.Execute))
	add("seal", time.Second, time.Hour, d.SealSnapshots)
	add("prove", 5*time.Second, 6*time.Hour, d.ProveSnapshots)
	add("rewrap-keys", 10*time.Minute, 10*time.Minute, d.RewrapKeys)
	add("reclaim", time.Minute, time.Hour, withRedis(rdb, d.Reclaim))
	add("repair-log", time.Hour, time.Hour, d.RepairLog)
	add("orphan-packs", time.Minute, 10*time.Minute, d.EndOrphanPacks)
	add("scrub", 5*time.Second, scrubSlice+time.Hour, d.Scrub)
	return out
}

// withRedis has destructive work wait while Redis is gone: people could not
// sign in to stop it.
func withRedis(rdb redis.UniversalClient, work func(context.Context) error) func(context.Context) error {
	if work == nil {
		return nil
	}
	return func(ctx context.Context) error {
		if err := redisAlive(ctx, rdb); err != nil {
			return err
		}
		return work(ctx)
	}
}
