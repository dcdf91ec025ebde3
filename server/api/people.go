package api

import (
	"context"
	"net/http"

	"holdfast/server/control"
	"holdfast/server/wire"
)

func (a *API) peopleRoutes() {
	handle(a, route(http.MethodPost, "/v1/tenants", "people", "Make a tenant and invite its owner (the host's operator)"),
		func(ctx context.Context, who control.Caller, in *body[wire.CreateTenant]) (wire.CreatedTenant, error) {
			return a.control.CreateTenant(ctx, who, in.Body)
		})
	handle(a, route(http.MethodGet, "/v1/tenants", "people", "List tenants (staff)"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Tenant, error) {
			return a.control.Tenants(ctx, who)
		})
	handle(a, route(http.MethodGet, "/v1/tenant", "people", "The own tenant"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Tenant, error) {
			return a.control.OwnTenant(ctx, who)
		})
	handle(a, route(http.MethodGet, "/v1/members", "people", "List the tenant's people"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Person, error) {
			return a.control.Members(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/members", "people", "Invite a member"),
		func(ctx context.Context, who control.Caller, in *body[wire.Invite]) (wire.Invitation, error) {
			return a.control.InviteMember(ctx, who, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/members/{id}/role", "people", "Give a member another role"),
		func(ctx context.Context, who control.Caller, in *struct {
			ByID
			Body wire.SetRole
		}) (wire.Person, error) {
			return a.control.SetRole(ctx, who, in.ID, in.Body.Role)
		})
	handle(a, route(http.MethodDelete, "/v1/members/{id}", "people", "Close a member's account"),
		func(ctx context.Context, who control.Caller, in *ByID) (done, error) {
			return done{true}, a.control.RemoveMember(ctx, who, in.ID)
		})
	handle(a, route(http.MethodGet, "/v1/staff", "people", "List support people"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Person, error) {
			return a.control.Staff(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/staff", "people", "Invite a support person (the host's operator)"),
		func(ctx context.Context, who control.Caller, in *body[wire.Invite]) (wire.Invitation, error) {
			return a.control.InviteStaff(ctx, who, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/people/{id}/enrolment", "people", "A fresh enrolment ticket after a decided reset of factors, or for an invitation that was not answered (the host's operator)"),
		func(ctx context.Context, who control.Caller, in *ByID) (wire.Invitation, error) {
			return a.control.ReissueEnrolment(ctx, who, in.ID)
		})
	handle(a, route(http.MethodGet, "/v1/tokens", "people", "List API tokens"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Token, error) {
			return a.control.Tokens(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/tokens", "people", "Make an API token; its secret is shown once"),
		func(ctx context.Context, who control.Caller, in *body[wire.MintToken]) (wire.Token, error) {
			return a.control.MintToken(ctx, who, in.Body)
		})
	handle(a, route(http.MethodDelete, "/v1/tokens/{id}", "people", "Revoke an API token"),
		func(ctx context.Context, who control.Caller, in *ByID) (done, error) {
			return done{true}, a.control.RevokeToken(ctx, who, in.ID)
		})
}
