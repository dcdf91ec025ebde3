package wire

import "time"

// Guide is what a demonstration tells about itself on its start page, secrets
// included. No other installation has one: it is handed to the service by the
// demonstration's own command and by no configuration.
type Guide struct {
	Portal   string // origins of the two faces
	Console  string
	People   []GuidePerson
	Volume   string // id of the volume that the guided path walks through
	Snapshot string // id of one of its snapshots
}

// GuidePerson is somebody who does not exist.
type GuidePerson struct {
	Name, Role, Team, Face, Email, Password, TOTP string
	// Code is the one-time code of this moment, Next the one that follows at Turns.
	Code, Next string
	Turns      time.Time
	// Approve and Deny are commands that let an approver's software key decide, when a request's id follows: the key
	// is on no device that a browser could ask. Empty for others.
	Approve, Deny string
}
