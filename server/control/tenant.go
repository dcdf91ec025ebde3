package control

import (
	"context"

	"holdfast/authz"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/server/wire"
)

// CreateTenant makes a tenant and invites its first owner.
func (c *Control) CreateTenant(ctx context.Context, who Caller, in wire.CreateTenant) (out wire.CreatedTenant, err error) {
	r := service
	r.Detail = in.Name + " " + in.OwnerEmail + " " + in.OwnerName
	if _, err := c.decideOnce(ctx, who, authz.TenantCreate, r, ""); err != nil {
		return out, err
	}
	at := c.now()
	t := authz.Tenant{ID: id.New[authz.TenantKind](at), Name: in.Name, Status: authz.TenantActive, CreatedAt: at}
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		if err := c.Accounts.OpenTenant(ctx, tx, t); err != nil {
			return err
		}
		if out.Invitation, err = c.invite(ctx, tx, who, authz.Person{Tenant: t.ID, Role: authz.RoleOwner, Email: in.OwnerEmail, Name: in.OwnerName}); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, entry{
			kind: audit.KindTenantCreated, tenant: t.ID.String(), subject: t.ID.String(),
			body: map[string]string{"tenant": t.ID.String(), "by": who.ID()},
		})
		return err
	})
	out.Tenant = tenant(t)
	return out, err
}

// Tenants lists all tenants, for staff.
func (c *Control) Tenants(ctx context.Context, who Caller) ([]wire.Tenant, error) {
	if err := c.decide(who, authz.TenantView, service, ""); err != nil {
		return nil, err
	}
	out := []wire.Tenant{}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		out = out[:0]
		tenants, err := c.Accounts.Tenants(ctx, tx, authz.TenantID{})
		for _, t := range tenants {
			out = append(out, tenant(t))
		}
		return err
	})
	return out, err
}

// OwnTenant describes the caller's tenant.
func (c *Control) OwnTenant(_ context.Context, who Caller) (wire.Tenant, error) {
	if who.Principal.Tenant.IsZero() {
		return wire.Tenant{}, wrap(authz.ErrNotFound)
	}
	if err := c.decide(who, authz.VolumeView, tenantResource(who.Principal.Tenant), ""); err != nil {
		return wire.Tenant{}, err
	}
	return tenant(who.Tenant), nil
}

func tenant(t authz.Tenant) wire.Tenant {
	return wire.Tenant{ID: t.ID.String(), Name: t.Name, Status: t.Status.String(), CreatedAt: t.CreatedAt}
}
