package audit

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Fact is a clear fact of public business: a name and a plain value on one line.
type Fact struct{ Name, Value string }

// The names of facts. Each has one spelling of its value; see the functions that make them.
const (
	FactCharter     = "charter"      // a charter's number, decimal
	FactCharterHash = "charter-hash" // its SHA-256, 64 lower-case hex digits
	FactScope       = "scope"        // only "everywhere": a tenant's freeze has no clear fact
	FactWitness     = "witness"      // a witness's key name
	FactKeyHash     = "key-hash"     // a signed note's key id, 8 lower-case hex digits
	FactSite        = "site"         // a site's name in the charter
	FactEpoch       = "epoch"        // a site's database epoch, decimal
)

// CharterFacts are the facts of a charter leaf.
func CharterFacts(number uint64, hash [32]byte) []Fact {
	return []Fact{{FactCharter, strconv.FormatUint(number, 10)}, {FactCharterHash, hex.EncodeToString(hash[:])}}
}

// EverywhereFacts are the facts of a freeze or thaw that concerns all tenants.
func EverywhereFacts() []Fact { return []Fact{{FactScope, "everywhere"}} }

// WitnessFacts are the facts of a witness leaf: the key's name.
func WitnessFacts(name string) []Fact { return []Fact{{FactWitness, name}} }

// SiteFacts are the facts of a site leaf.
func SiteFacts(name string) []Fact { return []Fact{{FactSite, name}} }

// EpochFacts are the facts of an epoch leaf.
func EpochFacts(site string, epoch uint64) []Fact {
	return []Fact{{FactSite, site}, {FactEpoch, strconv.FormatUint(epoch, 10)}}
}

var (
	errFactName  = errors.New("a fact that this kind may not carry, or out of order")
	errFactValue = errors.New("a fact's value is not canonical")
	errFactMiss  = errors.New("a required fact is missing")
)

// check holds facts against the kind's rule: allowed names in their order, each at most once, all required ones present.
func (r factRule) check(facts []Fact) error {
	next := 0
	for _, f := range facts {
		i := slices.Index(r.allowed[next:], f.Name)
		if i < 0 {
			return errFactName
		}
		next += i + 1
		if !validFact(f) {
			return errFactValue
		}
	}
	for _, name := range r.required {
		if !slices.ContainsFunc(facts, func(f Fact) bool { return f.Name == name }) {
			return errFactMiss
		}
	}
	return nil
}

func validFact(f Fact) bool {
	switch f.Name {
	case FactCharter, FactEpoch:
		n, err := strconv.ParseUint(f.Value, 10, 63)
		return err == nil && n > 0 && strconv.FormatUint(n, 10) == f.Value
	case FactCharterHash:
		return len(f.Value) == 64 && lowerHex(f.Value)
	case FactKeyHash:
		return len(f.Value) == 8 && lowerHex(f.Value)
	case FactScope:
		return f.Value == "everywhere"
	case FactWitness:
		return ValidName(f.Value)
	case FactSite:
		return len(f.Value) <= MaxName && word(f.Value)
	}
	return false
}

// ValidName says whether s can name a log or a witness in a signed note: 1 to MaxName bytes of printable ASCII without
// space and plus (C2SP allows more; names here are schema-less URLs).
func ValidName(s string) bool {
	return s != "" && len(s) <= MaxName && plainValue(s) && !strings.ContainsRune(s, '+')
}

// plainValue says whether s is 1 to MaxFactValue bytes of visible ASCII.
func plainValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= MaxFactValue
}

// word says whether s is lower-case letters, digits and single inner hyphens.
func word(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '-' && i > 0 && i < len(s)-1 && s[i-1] != '-':
		default:
			return false
		}
	}
	return s != ""
}

func validKind(k Kind) bool { return len(k) <= MaxKind && word(string(k)) }

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
