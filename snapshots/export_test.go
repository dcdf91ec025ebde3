package snapshots

// SetStall has f called at the steps of every commit: "synced" after the fsync of the packs, "transaction" before the
// COMMIT, "committed" after it. An error stops there, as a crash would.
func (e *Engine) SetStall(f func(step string) error) { e.stall = f }
