package wire

import "time"

// Scrub is what the reading of everything that the primary site keeps has found.
type Scrub struct {
	// State is never (no pass yet), running or idle; Clean says that nothing is rotten or missing.
	State string `json:"state" enum:"never,running,idle"`
	Clean bool   `json:"clean"`
	// Pass counts passes; the figures that follow are of the newest.
	Pass       int64      `json:"pass"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	// VerifiedAt is when the newest finished pass began: everything older was read whole since.
	VerifiedAt *time.Time `json:"verified_at,omitempty"`
	// Rate is in bytes a second.
	Rate    int64 `json:"rate"`
	Packs   int64 `json:"packs"`
	OfPacks int64 `json:"of_packs"`
	Bytes   int64 `json:"bytes"`
	OfBytes int64 `json:"of_bytes"`
	Frames  int64 `json:"frames"`
	// Quarantined counts frames that cannot be read as they were written; of some there is another one by now.
	Quarantined int64 `json:"quarantined"`
	Damaged     int64 `json:"damaged_packs"`
	Missing     int64 `json:"missing_packs"`
	Unknown     int64 `json:"unknown_packs"`
	// Findings and Affected are at most 10,000 each.
	Findings []ScrubPack     `json:"findings,omitempty"`
	Affected []ScrubAffected `json:"affected,omitempty"`
}

// ScrubPack is a pack whose newest reading found something.
type ScrubPack struct {
	Pack   string    `json:"pack"`
	Tenant string    `json:"tenant"`
	State  string    `json:"state" enum:"damaged,missing,unknown"`
	Bad    int64     `json:"bad"`
	At     time.Time `json:"at"`
	Detail string    `json:"detail"`
}

// ScrubAffected is a path that needs bytes which cannot be read: of a snapshot, or (no snapshot) of the live tree or the
// undo window. No path means the catalogue, hence any path.
type ScrubAffected struct {
	Tenant   string    `json:"tenant"`
	Volume   string    `json:"volume"`
	Snapshot string    `json:"snapshot,omitempty"`
	Path     string    `json:"path,omitempty"`
	At       time.Time `json:"at"`
}

// BeginScrub has everything read now. Rate, in bytes a second, is 0 for the one that is set; All begins anew where a
// pass is under way.
type BeginScrub struct {
	Rate int64 `json:"rate,omitempty" minimum:"0"`
	All  bool  `json:"all,omitempty"`
}

// Adopted is the answer to the adoption of a rebuilt database.
type Adopted struct {
	Site  string `json:"site"`
	Epoch int64  `json:"epoch"`
	// Spent counts the warrants of the life before that are spent for good.
	Spent int64 `json:"spent"`
}
