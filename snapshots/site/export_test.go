package site

// SetStall has f called at the steps of the gate; its error stops there, as a crash would.
func (p *Primary) SetStall(f func(step string) error) { p.stall = f }
