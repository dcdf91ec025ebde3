package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"holdfast/authz"
	"holdfast/server/wire"
)

// Error is how every power of this package fails: a stable problem type and
// words for a person. The API, the web faces, the command line and the log
// share it. Err is for the log only and never leaves the service.
type Error struct {
	Type   string
	Status int
	Title  string
	Detail string
	StepUp *wire.StepUpChallenge
	Ask    *wire.Ask
	Err    error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Title + ": " + e.Err.Error()
	}
	return e.Title + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// Problem is the part of e that leaves the service.
func (e *Error) Problem() wire.Problem {
	return wire.Problem{Type: e.Type, Title: e.Title, Status: e.Status, Detail: e.Detail, StepUp: e.StepUp, Ask: e.Ask}
}

// kinds gives each problem type its status and title.
var kinds = map[string]struct {
	status int
	title  string
}{
	wire.TypeInvalid:              {http.StatusUnprocessableEntity, "The input is not valid"},
	wire.TypeNotAuthenticated:     {http.StatusUnauthorized, "Not signed in"},
	wire.TypeBadCredentials:       {http.StatusUnauthorized, "Not accepted"},
	wire.TypeSecondFactorRequired: {http.StatusUnauthorized, "A second factor is needed"},
	wire.TypeEnrolmentRequired:    {http.StatusForbidden, "Enrol a second factor first"},
	wire.TypeStepUpRequired:       {http.StatusUnauthorized, "Confirm with your second factor"},
	wire.TypeDenied:               {http.StatusForbidden, "Not allowed"},
	wire.TypeGateRequired:         {http.StatusForbidden, "Nobody can do this alone"},
	wire.TypeTokenNotAPerson:      {http.StatusForbidden, "A token is not a person"},
	wire.TypeWrongFace:            {http.StatusForbidden, "This session belongs to the other site"},
	wire.TypeForeignOrigin:        {http.StatusForbidden, "Cross-site request refused"},
	wire.TypeQuarantined:          {http.StatusForbidden, "Too new to be used for this"},
	wire.TypeNotEligible:          {http.StatusForbidden, "This vote cannot count"},
	wire.TypeNotFound:             {http.StatusNotFound, "Not found"},
	wire.TypeConflict:             {http.StatusConflict, "The state does not allow it"},
	wire.TypeImmutable:            {http.StatusConflict, "What is sealed stays as it is"},
	wire.TypeHeld:                 {http.StatusConflict, "A hold is in the way"},
	wire.TypeFrozen:               {http.StatusConflict, "A freeze is in the way"},
	wire.TypeCapExceeded:          {http.StatusConflict, "More than the charter lets go"},
	wire.TypeLastCopy:             {http.StatusConflict, "Nothing would be left to restore"},
	wire.TypeDigestMismatch:       {http.StatusConflict, "What is stored is not what was signed"},
	wire.TypeCharterRefused:       {http.StatusUnprocessableEntity, "The charter is refused"},
	wire.TypeCharterMissing:       {http.StatusConflict, "No charter is sealed yet"},
	wire.TypePrecondition:         {http.StatusPreconditionFailed, "The content has changed"},
	wire.TypeTooLarge:             {http.StatusRequestEntityTooLarge, "Too large"},
	wire.TypeRange:                {http.StatusRequestedRangeNotSatisfiable, "No such range"},
	wire.TypeThrottled:            {http.StatusTooManyRequests, "Too many attempts"},
	wire.TypeQuota:                {http.StatusInsufficientStorage, "The quota is reached"},
	wire.TypeStorageFull:          {http.StatusInsufficientStorage, "The storage is full"},
	wire.TypeUnavailable:          {http.StatusServiceUnavailable, "Not available now"},
	wire.TypeInternal:             {http.StatusInternalServerError, "Something went wrong here"},
}

// newError makes an Error of a known type. An unknown type is a programming
// error and becomes an internal one.
func newError(problem string, err error, detail string, args ...any) *Error {
	kind, ok := kinds[problem]
	if !ok {
		problem = wire.TypeInternal
		kind = kinds[problem]
	}
	return &Error{Type: problem, Status: kind.status, Title: kind.title, Detail: fmt.Sprintf(detail, args...), Err: err}
}

// NewError is newError for the edges (server/api, server/transfer, web), which
// refuse some input before a power is reached.
func NewError(problem string, err error, detail string, args ...any) *Error {
	return newError(problem, err, detail, args...)
}

// AsError returns the Error in err's chain; anything else is translated by
// wrap, so that an edge always has a problem to answer with.
func AsError(err error) *Error { return wrap(err).(*Error) }

// translation maps a domain's sentinel to what people are told.
type translation struct {
	target error
	typ    string
	detail string
}

// translations is searched in order; the first match wins. Each file of this
// package that uses a domain adds the sentinels that it can meet.
var translations = []translation{
	{authz.ErrNotFound, wire.TypeNotFound, "There is nothing here under this id that you may see."},
	{authz.ErrStepUpRequired, wire.TypeStepUpRequired, "Use your second factor for exactly this action, then repeat it."},
	{authz.ErrSecondFactorRequired, wire.TypeSecondFactorRequired, "The session has a password only. Use your second factor."},
	{authz.ErrQuarantined, wire.TypeQuarantined, "This factor is too new. Use an older one, or wait until its quarantine is over."},
	{authz.ErrExists, wire.TypeConflict, "There is one already under this name or address."},
	{authz.ErrCredentialTaken, wire.TypeConflict, "This passkey belongs to a person already; a key belongs to one person."},
	{authz.ErrReplayed, wire.TypeBadCredentials, "This was used already. Wait for the next code, or begin again."},
	{authz.ErrSpent, wire.TypeBadCredentials, "This is spent, expired or unknown. Begin again."},
	{authz.ErrLastFactor, wire.TypeConflict, "The last usable factor stays. Enrol another one first."},
	{authz.ErrLastOwner, wire.TypeConflict, "The last owner stays. Make somebody else an owner first."},
	{authz.ErrInvalid, wire.TypeInvalid, "A value is not one of those allowed."},
	{authz.ErrDenied, wire.TypeDenied, "Your role does not allow this."},
	{context.DeadlineExceeded, wire.TypeUnavailable, "It took too long; nothing was done. Try again."},
	{context.Canceled, wire.TypeUnavailable, "The request was given up; nothing was done."},
}

// register adds translations; it is called from the init of the files that
// know a domain.
func register(more ...translation) bool {
	translations = append(translations, more...)
	return true
}

// wrap turns a domain's error into an Error once; an Error stays as it is. What
// no translation knows is internal: the details go to the log, not to people.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	for _, t := range translations {
		if errors.Is(err, t.target) {
			return newError(t.typ, err, "%s", t.detail)
		}
	}
	return newError(wire.TypeInternal, err, "Nothing was changed. If it happens again, tell the operator the time of this answer.")
}

// AsErrorOrNil is AsError, and nil for no error.
func AsErrorOrNil(err error) *Error {
	if err == nil {
		return nil
	}
	return AsError(err)
}

func (e *Error) is(problemType string) bool { return e != nil && e.Type == problemType }

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
