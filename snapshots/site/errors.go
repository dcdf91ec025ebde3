package site

import "errors"

var (
	// ErrUnknownRequest means that the site has not seen a warrant of that request.
	ErrUnknownRequest = errors.New("site: no warrant of this request was seen")
	// ErrCharter means that the charter is missing, does not follow, or is not in force.
	ErrCharter = errors.New("site: charter refused")
	// ErrFork means that two charters of one number, or two histories of the log, exist: everything destructive stops.
	ErrFork = errors.New("site: fork: everything destructive stops")
	// ErrConflict means that another warrant, with another statement, was seen for the request.
	ErrConflict = errors.New("site: another statement was seen for this request")
	// ErrSuspended means that destruction is suspended here: marks disagree, a clock jumped, or a fork was seen.
	ErrSuspended = errors.New("site: destruction is suspended")
	// ErrMarks means that the database and the high-water marks outside it disagree (T44, T57).
	ErrMarks = errors.New("site: the database is not of the life that the high-water marks name")
	// ErrTooLate means that the request cannot be stopped or restored any more.
	ErrTooLate = errors.New("site: too late")
	// ErrLog means that the log could not be followed, or does not continue what was seen.
	ErrLog = errors.New("site: the log could not be followed")
	// ErrBound means that an argument exceeds its bound.
	ErrBound = errors.New("site: bound exceeded")
	// ErrNoRule means that a volume has no keep rule: it keeps every snapshot.
	ErrNoRule = errors.New("site: the volume has no keep rule")
	// ErrNotLogged means that the keep rule in force does not stand in the log that the site has read.
	ErrNotLogged = errors.New("site: the keep rule is not in the log yet")
	// ErrUnsupported means that a site has nothing to do for an action.
	ErrUnsupported = errors.New("site: nothing to do here for this action")
)
