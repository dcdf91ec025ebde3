package authz

import (
	"crypto/sha256"
	"fmt"
)

// ResourceKind tells what an action touches. The zero value is invalid.
type ResourceKind uint8

const (
	// ResourceService is the service as a whole.
	ResourceService ResourceKind = iota + 1
	// ResourceTenant is a tenant as a whole, or a list of its things.
	ResourceTenant
	// ResourceVolume is a volume or anything inside it: files, snapshots.
	ResourceVolume
	// ResourceRequest is a request.
	ResourceRequest
	// ResourcePerson is an account with its factors and sessions.
	ResourcePerson
	// ResourceToken is an API token.
	ResourceToken
	// ResourceSite is a site.
	ResourceSite
	// ResourceCharter is the charter.
	ResourceCharter
	// ResourceLog is the transparency log.
	ResourceLog
)

var resourceNames = []string{"", "service", "tenant", "volume", "request", "person", "token", "site", "charter", "log"}

// String returns the name, or "" for an invalid value.
func (k ResourceKind) String() string { return nameOf(resourceNames, k) }

// Resource is what an action touches. Its Tenant must be read from the store,
// never from the caller; a resource that the store does not have is ErrNotFound
// before Decide is asked, the same answer that Decide gives across tenants.
type Resource struct {
	Kind ResourceKind
	// ID is the text id: of the volume, request, person, token or site.
	ID string
	// Tenant owns the resource; zero for the service's own things.
	Tenant TenantID
	// Volume is the text id of the volume that the thing is in, if any.
	Volume string
	// Statement is the digest of the statement that the action is about; zero
	// if there is none, and then a step-up is bound to OperationDigest.
	Statement Digest
	// Detail is a single line with the parameters that a step-up must bind as
	// well (the role to be given, the scopes to be minted); empty if none.
	Detail string
}

// digest is what a step-up for a on r must be bound to.
func (r Resource) digest(a Action) Digest {
	if !r.Statement.IsZero() {
		return r.Statement
	}
	return OperationDigest(a, r)
}

// OperationText is what a person is shown when a step-up is asked for an
// operation that has no statement: version, action, and every fact of the
// resource, one a line, quoted so that no value can forge a line.
func OperationText(a Action, r Resource) string {
	return fmt.Sprintf("holdfast operation v1\naction %s\nkind %s\nid %q\ntenant %q\nvolume %q\ndetail %q\n",
		a, r.Kind, r.ID, tenantText(r.Tenant), r.Volume, r.Detail)
}

// OperationDigest is the SHA-256 of OperationText.
func OperationDigest(a Action, r Resource) Digest { return sha256.Sum256([]byte(OperationText(a, r))) }

func tenantText(t TenantID) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}
