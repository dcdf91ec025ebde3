package statement

import (
	"strconv"
	"time"

	"holdfast/quorum/internal/plain"
)

type factType uint8

const (
	numberFact factType = iota + 1
	durationFact
	timeFact
	digestFact
	textFact
)

type factSpec struct {
	key string
	typ factType
}

// tenancy says whether an action names a tenant. The zero value is invalid.
type tenancy uint8

const (
	always tenancy = iota + 1
	never
	either
)

// schema is what an action carries: the kinds of its subjects and its facts, in this order and all of them.
type schema struct {
	tenant   tenancy
	subjects []string
	facts    []factSpec
}

var schemas = map[Action]schema{
	DeleteCopies:     {tenant: always},
	ChangeCharter:    {never, nil, []factSpec{{"next-number", numberFact}, {"next-hash", digestFact}}},
	ShortenUndo:      {always, []string{"volume"}, []factSpec{{"from", durationFact}, {"to", durationFact}}},
	ShortenRetention: {always, []string{"volume"}, []factSpec{{"from", textFact}, {"to", textFact}}},
	ReleaseHold:      {always, []string{"hold"}, []factSpec{{"kind", textFact}, {"placed-at", timeFact}}},
	LiftFreeze:       {either, []string{"freeze"}, []factSpec{{"placed-at", timeFact}}},
	ResetFactor:      {either, []string{"person", "factor"}, nil},
	CloseTenant:      {always, []string{"tenant"}, []factSpec{{"volumes", numberFact}, {"copies", numberFact}}},
	DestroyKey:       {always, []string{"key"}, []factSpec{{"commitment", digestFact}, {"copies", numberFact}}},
	DetachSite:       {never, []string{"site"}, []factSpec{{"copies", numberFact}, {"bytes", numberFact}}},
	EndSuspension:    {never, []string{"suspension", "person", "person"}, []factSpec{{"since", timeFact}}},
}

// NumberFact is a fact whose value is a count.
func NumberFact(key string, n uint64) Fact { return Fact{key, strconv.FormatUint(n, 10)} }

// DurationFact is a fact whose value is a duration of whole seconds.
func DurationFact(key string, d time.Duration) Fact { return Fact{key, plain.Duration(d)} }

// TimeFact is a fact whose value is an instant.
func TimeFact(key string, t time.Time) Fact { return Fact{key, plain.Time(t)} }

// DigestFact is a fact whose value is a SHA-256 hash.
func DigestFact(key string, d [32]byte) Fact { return Fact{key, plain.Digest(d)} }

// TextFact is a fact whose value is text.
func TextFact(key, text string) Fact { return Fact{key, text} }

// Fact returns the value of a fact as the text spells it.
func (s *Statement) Fact(key string) (string, bool) {
	for _, f := range s.Facts {
		if f.Key == key {
			return f.Value, true
		}
	}
	return "", false
}

func factOf[T any](s *Statement, key string, parse func(string) (T, error)) (T, bool) {
	var zero T
	v, ok := s.Fact(key)
	if !ok {
		return zero, false
	}
	t, err := parse(v)
	if err != nil {
		return zero, false
	}
	return t, true
}

// Number returns a count; false if there is none of that name.
func (s *Statement) Number(key string) (uint64, bool) { return factOf(s, key, plain.ParseUint) }

// Duration returns a duration; false if there is none of that name.
func (s *Statement) Duration(key string) (time.Duration, bool) {
	return factOf(s, key, plain.ParseDuration)
}

// Time returns an instant; false if there is none of that name.
func (s *Statement) Time(key string) (time.Time, bool) { return factOf(s, key, plain.ParseTime) }

// Hash returns a SHA-256 hash; false if there is none of that name.
func (s *Statement) Hash(key string) ([32]byte, bool) { return factOf(s, key, plain.ParseDigest) }

// Subject returns the first subject of a kind; false if there is none.
func (s *Statement) Subject(kind string) (Subject, bool) {
	for _, u := range s.Subjects {
		if u.Kind == kind {
			return u, true
		}
	}
	return Subject{}, false
}

func (f factSpec) check(v string) error {
	var err error
	switch f.typ {
	case numberFact:
		_, err = plain.ParseUint(v)
	case durationFact:
		_, err = plain.ParseDuration(v)
	case timeFact:
		_, err = plain.ParseTime(v)
	case digestFact:
		_, err = plain.ParseDigest(v)
	case textFact:
		err = plain.Checked("fact "+f.key, v, MaxValue)
	default:
		err = ErrInvalid
	}
	return err
}
