package wire

// Problem is an RFC 9457 problem details object. Type is stable: programs may
// act on it; Title and Detail are for people, Detail says what to do next.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	// StepUp is present on TypeStepUpRequired only: what the caller has to
	// prove presence for before the same call can succeed.
	StepUp *StepUpChallenge `json:"step_up,omitempty"`
	// Ask is present on TypeGateRequired only: where and how to ask for what
	// nobody may do alone.
	Ask *Ask `json:"ask,omitempty"`
}

// Ask tells how to open a request for a gated action.
type Ask struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Example string `json:"example"`
}

// StepUpChallenge names the digest that a second factor has to be used for
// (RFC 9470). Text is what the digest is of, to be shown before the factor is used.
type StepUpChallenge struct {
	Digest        string   `json:"digest"`
	Text          string   `json:"text"`
	Methods       []string `json:"methods"`
	MaxAgeSeconds int      `json:"max_age_seconds"`
}

// The problem types. Every answer that is not a success carries one of them.
const (
	problemPrefix = "urn:holdfast:problem:"

	TypeInvalid              = problemPrefix + "invalid"                // 400, 422: the input does not say what the call needs
	TypeNotAuthenticated     = problemPrefix + "not-authenticated"      // 401: no session, token or ticket that is in force
	TypeBadCredentials       = problemPrefix + "bad-credentials"        // 401: whatever was wrong with them
	TypeSecondFactorRequired = problemPrefix + "second-factor-required" // 401: the session has a password only
	TypeEnrolmentRequired    = problemPrefix + "enrolment-required"     // 403: the account has no second factor yet
	TypeStepUpRequired       = problemPrefix + "insufficient-user-authentication"
	TypeDenied               = problemPrefix + "denied"                // 403: the policy says no
	TypeGateRequired         = problemPrefix + "gate-required"         // 403: nobody may do this alone
	TypeTokenNotAPerson      = problemPrefix + "token-not-a-person"    // 403: a token may never do this
	TypeWrongFace            = problemPrefix + "wrong-face"            // 403: a portal session on the console or the reverse
	TypeForeignOrigin        = problemPrefix + "foreign-origin"        // 403: cross-site request
	TypeQuarantined          = problemPrefix + "quarantined"           // 403: the factor, person or key is too young
	TypeNotEligible          = problemPrefix + "not-eligible"          // 403: may not vote on this request, Detail says why
	TypeNotFound             = problemPrefix + "not-found"             // 404: does not exist, or not for the caller
	TypeConflict             = problemPrefix + "conflict"              // 409: the state no longer allows it
	TypeImmutable            = problemPrefix + "immutable"             // 409: what is sealed stays as it is
	TypeHeld                 = problemPrefix + "held"                  // 409: a hold is in the way
	TypeFrozen               = problemPrefix + "frozen"                // 409: a freeze is in the way
	TypeCapExceeded          = problemPrefix + "cap-exceeded"          // 409: more than the charter lets go in a request or a day
	TypeLastCopy             = problemPrefix + "last-copy"             // 409: would leave nothing to restore
	TypeDigestMismatch       = problemPrefix + "digest-mismatch"       // 409: what is stored is not what was signed
	TypeCharterRefused       = problemPrefix + "charter-refused"       // 422: Detail names the case
	TypeCharterMissing       = problemPrefix + "charter-missing"       // 409: genesis is not sealed yet
	TypePrecondition         = problemPrefix + "precondition-failed"   // 412
	TypeTooLarge             = problemPrefix + "too-large"             // 413
	TypeRange                = problemPrefix + "range-not-satisfiable" // 416
	TypeThrottled            = problemPrefix + "throttled"             // 429
	TypeQuota                = problemPrefix + "quota-reached"         // 507
	TypeStorageFull          = problemPrefix + "storage-full"          // 507
	TypeUnavailable          = problemPrefix + "unavailable"           // 503: something needed is away; nothing was done
	TypeInternal             = problemPrefix + "internal"              // 500
)
