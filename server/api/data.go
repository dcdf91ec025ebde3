package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// VolumePath is the path of a volume, by id or exact name. The router hands a
// parameter over as it stood in the path where that was written in an unusual
// way, and decoded otherwise; here it is decoded exactly once.
type VolumePath struct {
	Volume string `path:"volume" maxLength:"400" doc:"id or exact name"`
}

// Resolve implements huma.Resolver.
func (p *VolumePath) Resolve(ctx huma.Context) []error {
	if u := ctx.URL(); u.RawPath != "" {
		decoded, err := url.PathUnescape(p.Volume)
		if err != nil {
			return []error{&huma.ErrorDetail{Location: "path.volume", Message: "not a percent-encoded name"}}
		}
		p.Volume = decoded
	}
	return nil
}

// SnapshotPath is the path of a snapshot. Like VolumePath it is exported because huma
// looks into embedded fields only where they are.
type SnapshotPath struct {
	Snapshot string `path:"snapshot" maxLength:"64"`
}

// Listing selects a page.
type Listing struct {
	Prefix    string `query:"prefix" maxLength:"4096"`
	Delimiter string `query:"delimiter" maxLength:"16" doc:"such as /: what lies below prefix, name and delimiter is listed as one"`
	Cursor    string `query:"cursor" maxLength:"8192"`
	Limit     int    `query:"limit" minimum:"0" maximum:"1000"`
}

func (l Listing) listing() control.Listing {
	return control.Listing{Prefix: l.Prefix, Delimiter: l.Delimiter, Cursor: l.Cursor, Limit: l.Limit}
}

type (
	volumeEntries struct {
		VolumePath
		Listing
		At time.Time `query:"at" doc:"a moment of the undo window"`
	}
	differences struct {
		VolumePath
		Snapshot string    `query:"snapshot" maxLength:"64" doc:"the earlier point: a snapshot"`
		At       time.Time `query:"at" doc:"or a moment of the undo window"`
		ToSnap   string    `query:"to_snapshot" maxLength:"64" doc:"the later point: a snapshot"`
		ToAt     time.Time `query:"to_at" doc:"or a moment; neither is now"`
		Prefix   string    `query:"prefix" maxLength:"4096"`
		Cursor   string    `query:"cursor" maxLength:"8192"`
		Limit    int       `query:"limit" minimum:"0" maximum:"1000"`
	}
	deletions struct {
		VolumePath
		Cursor string `query:"cursor" maxLength:"8192"`
	}
	bringBack struct {
		VolumePath
		Body wire.BringBack
	}
	snapshotEntries struct {
		SnapshotPath
		Listing
	}
	createVolume struct{ Body wire.CreateVolume }
	askTicket    struct {
		VolumePath
		Body wire.AskTicket
	}
	restore struct {
		VolumePath
		Body wire.Restore
	}
	takeSnapshot struct {
		VolumePath
		Body wire.TakeSnapshot
	}
	listSnapshots struct {
		VolumePath
		Before string `query:"before" maxLength:"64" doc:"list from before this snapshot"`
		Limit  int    `query:"limit" minimum:"0" maximum:"1000"`
	}
)

func (a *API) dataRoutes() {
	c := a.control
	const volumes, snapshots = "volumes", "snapshots"
	handle(a, route(http.MethodGet, "/v1/volumes", volumes, "List volumes"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Volume, error) {
			return c.Volumes(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/volumes", volumes, "Make a volume"),
		func(ctx context.Context, who control.Caller, in *createVolume) (wire.Volume, error) {
			return c.CreateVolume(ctx, who, in.Body)
		})
	handle(a, route(http.MethodGet, "/v1/volumes/{volume}", volumes, "Show a volume"),
		func(ctx context.Context, who control.Caller, in *VolumePath) (wire.Volume, error) {
			return c.Volume(ctx, who, in.Volume)
		})
	handle(a, answers(route(http.MethodDelete, "/v1/volumes/{volume}", volumes, "Delete a volume's primary data; its snapshots stay")),
		func(ctx context.Context, who control.Caller, in *VolumePath) (wire.Removed, error) {
			return c.DeleteVolume(ctx, who, in.Volume)
		})
	handle(a, route(http.MethodGet, "/v1/volumes/{volume}/entries", volumes, "List a volume now or at a moment"),
		func(ctx context.Context, who control.Caller, in *volumeEntries) (wire.Entries, error) {
			return c.Entries(ctx, who, control.From{Volume: in.Volume, At: in.At}, in.listing())
		})
	handle(a, route(http.MethodGet, "/v1/volumes/{volume}/differences", volumes, "List what differs between two moments of a volume"),
		func(ctx context.Context, who control.Caller, in *differences) (wire.Differences, error) {
			return c.Compare(ctx, who, control.From{Volume: in.Volume, At: in.At, Snapshot: in.Snapshot},
				control.From{Volume: in.Volume, At: in.ToAt, Snapshot: in.ToSnap}, in.Prefix, in.Cursor, in.Limit)
		})
	handle(a, route(http.MethodGet, "/v1/volumes/{volume}/deletions", volumes, "List what was deleted within the undo window, newest first"),
		func(ctx context.Context, who control.Caller, in *deletions) (wire.Deletions, error) {
			return c.Deletions(ctx, who, in.Volume, in.Cursor)
		})
	handle(a, route(http.MethodGet, "/v1/volumes/{volume}/acts", volumes, "List the same as acts: what was deleted within a minute of each other"),
		func(ctx context.Context, who control.Caller, in *deletions) (wire.Acts, error) {
			acts, err := c.Acts(ctx, who, in.Volume, in.Cursor, control.PageOfActs())
			if acts.Acts == nil {
				acts.Acts = []wire.Act{}
			}
			return acts, err
		})
	handle(a, route(http.MethodPost, "/v1/volumes/{volume}/bring-back", volumes, "Bring back what an act deleted; overwrites nothing"),
		func(ctx context.Context, who control.Caller, in *bringBack) (wire.Brought, error) {
			b := in.Body
			return c.BringBack(ctx, who, in.Volume, b.Until, b.From, b.Prefix, b.Cursor)
		})
	handle(a, route(http.MethodPost, "/v1/volumes/{volume}/restore", volumes, "Bring a snapshot or a moment back"),
		func(ctx context.Context, who control.Caller, in *restore) (wire.Restored, error) {
			return c.Restore(ctx, who, in.Volume, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/volumes/{volume}/ticket", volumes, "Mint a short-lived ticket for the data path"),
		func(ctx context.Context, who control.Caller, in *askTicket) (wire.Ticket, error) {
			return c.Ticket(ctx, who, in.Volume, in.Body)
		})
	handle(a, route(http.MethodGet, "/v1/volumes/{volume}/snapshots", snapshots, "List a volume's snapshots, newest first"),
		func(ctx context.Context, who control.Caller, in *listSnapshots) ([]wire.Snapshot, error) {
			return c.Snapshots(ctx, who, in.Volume, in.Before, in.Limit)
		})
	handle(a, route(http.MethodPost, "/v1/volumes/{volume}/snapshots", snapshots, "Take a snapshot"),
		func(ctx context.Context, who control.Caller, in *takeSnapshot) (wire.Snapshot, error) {
			return c.TakeSnapshot(ctx, who, in.Volume, in.Body)
		})
	handle(a, route(http.MethodGet, "/v1/snapshots/{snapshot}", snapshots, "Show a snapshot"),
		func(ctx context.Context, who control.Caller, in *SnapshotPath) (wire.Snapshot, error) {
			return c.Snapshot(ctx, who, in.Snapshot)
		})
	handle(a, answers(route(http.MethodDelete, "/v1/snapshots/{snapshot}", snapshots, "Refused: says how to open a request")),
		func(ctx context.Context, who control.Caller, in *SnapshotPath) (wire.Snapshot, error) {
			return wire.Snapshot{}, c.DeleteSnapshot(ctx, who, in.Snapshot)
		})
	handle(a, route(http.MethodGet, "/v1/snapshots/{snapshot}/entries", snapshots, "List a snapshot"),
		func(ctx context.Context, who control.Caller, in *snapshotEntries) (wire.Entries, error) {
			return c.Entries(ctx, who, control.From{Snapshot: in.Snapshot}, in.listing())
		})
}

// answers declares that a deletion answers with a body.
func answers(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusOK
	return op
}
