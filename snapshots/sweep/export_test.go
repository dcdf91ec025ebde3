package sweep

// SetStall has f called at the steps of a sweep; its error stops there, as a crash would.
func (s *Sweeper) SetStall(f func(step string) error) { s.stall = f }
