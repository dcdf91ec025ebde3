// Package cost names the price of one password hash. It is internal to
// authz/password so that nothing outside that tree, and so no configuration,
// can even write down a cheaper price than the production one.
package cost

// Params are argon2id parameters (RFC 9106). The fields are closed: only this
// package makes values.
type Params struct {
	memoryKiB uint32
	time      uint32
	threads   uint8
}

// Standard is the production price: 19 MiB, two passes, one lane.
func Standard() Params { return Params{memoryKiB: 19 * 1024, time: 2, threads: 1} }

// Cheap is the least that argon2id accepts. It protects nothing and exists so
// that suites with hundreds of accounts stay fast.
func Cheap() Params { return Params{memoryKiB: 8, time: 1, threads: 1} }

// Of makes parameters as read from a stored hash; the caller bounds them.
func Of(memoryKiB, time uint32, threads uint8) Params {
	return Params{memoryKiB: memoryKiB, time: time, threads: threads}
}

// MemoryKiB is the memory of one hash in KiB.
func (p Params) MemoryKiB() uint32 { return p.memoryKiB }

// Time is the number of passes.
func (p Params) Time() uint32 { return p.time }

// Threads is the number of lanes.
func (p Params) Threads() uint8 { return p.threads }
