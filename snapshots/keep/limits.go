package keep

const (
	// MaxCount is the largest count that a line of a rule names.
	MaxCount = 10_000
	// MaxText is the most bytes of a rule's text.
	MaxText = 200
	// MaxPoints bounds the snapshots of one volume that Choose looks at.
	MaxPoints = 1_000_000
)
