package control

import "context"

// Gate is what the data path needs to know of the charter in force.
type Gate interface {
	// RecoveryRecipients are the charter's age recipients; none without a charter.
	RecoveryRecipients(ctx context.Context) ([]string, error)
}
