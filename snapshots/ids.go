package snapshots

import "holdfast/internal/id"

// The kinds of the ids that this domain gives out.
type (
	volumeKind   struct{}
	snapshotKind struct{}
	packKind     struct{}
	leaseKind    struct{}
	pushKind     struct{}
	uploadKind   struct{}
)

func (volumeKind) Prefix() string   { return "vol" }
func (snapshotKind) Prefix() string { return "snp" }
func (packKind) Prefix() string     { return "pck" }
func (leaseKind) Prefix() string    { return "lea" }
func (pushKind) Prefix() string     { return "psh" }
func (uploadKind) Prefix() string   { return "upl" }

type (
	// VolumeID names a volume, vol_….
	VolumeID = id.ID[volumeKind]
	// SnapshotID names a snapshot, snp_…. Its copies at all sites share it.
	SnapshotID = id.ID[snapshotKind]
	// PackID names a pack, pck_…; PackBlob is the blob that holds it.
	PackID = id.ID[packKind]
	// LeaseID names a lease, lea_….
	LeaseID = id.ID[leaseKind]
	// PushID names one push session, psh_….
	PushID = id.ID[pushKind]
	// UploadID names one upload that may go on, upl_….
	UploadID = id.ID[uploadKind]
)

// ParseVolumeID reads the text of a volume's id.
func ParseVolumeID(s string) (VolumeID, error) { return id.Parse[volumeKind](s) }

// ParseSnapshotID reads the text of a snapshot's id.
func ParseSnapshotID(s string) (SnapshotID, error) { return id.Parse[snapshotKind](s) }

// ParseUploadID reads the text of an upload's id.
func ParseUploadID(s string) (UploadID, error) { return id.Parse[uploadKind](s) }

// PackBlob is the name of the blob that holds a pack: packs/TENANT/pck_….
func PackBlob(tenant string, p PackID) string { return "packs/" + tenant + "/" + p.String() }
