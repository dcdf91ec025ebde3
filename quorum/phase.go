package quorum

// Phase is where a request stands. The zero value is that of a request that does not exist.
type Phase uint8

// The phases as the design draws them, and Applied: the end of a gated action that hides no copy.
const (
	// Open collects votes.
	Open Phase = iota + 1
	// Cooling is the delay between quorum and execution.
	Cooling
	// Executing is from the first step at a site until every site has tombstoned.
	Executing
	// Tombstoned hides the copies; one person can bring them back.
	Tombstoned
	// Erased is the end: the bytes are gone.
	Erased
	// Denied is the end by an approver.
	Denied
	// Expired is the end by silence.
	Expired
	// Cancelled is the end by anyone concerned.
	Cancelled
	// Restored is the end by a restore; what was not erased is back.
	Restored
	// Applied is the end of an executed action without tombstone, such as a charter change.
	Applied
)

var phaseNames = [...]string{"", "open", "cooling", "executing", "tombstoned", "erased", "denied", "expired", "cancelled", "restored", "applied"}

// String returns the word used in code, API and database, or `invalid`.
func (p Phase) String() string {
	if p == 0 || int(p) >= len(phaseNames) {
		return "invalid"
	}
	return phaseNames[p]
}

// ParsePhase reads what String wrote; anything else is ErrEvent.
func ParsePhase(s string) (Phase, error) {
	for i, n := range phaseNames {
		if i > 0 && n == s {
			return Phase(i), nil
		}
	}
	return 0, ErrEvent
}

// Ended says whether nothing can happen to the request any more.
func (p Phase) Ended() bool {
	switch p {
	case Erased, Denied, Expired, Cancelled, Restored, Applied:
		return true
	}
	return false
}
