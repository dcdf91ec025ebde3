package wire

import "time"

// Brief is what an approver looks at beside a statement. Nothing of it is signed: it helps to decide whom to call.
type Brief struct {
	Asked    Asked           `json:"asked"`
	Drafted  *Actor          `json:"drafted,omitempty" doc:"who drafted it, where that is somebody else"`
	Signals  []string        `json:"signals" doc:"what is worth a phone call, in words"`
	Changes  []AccountChange `json:"changes" doc:"to the accounts concerned in the last 30 days, newest first"`
	Electors []Elector       `json:"electors" doc:"who has voted, who may and who may not"`
	Remains  []Remains       `json:"remains,omitempty" doc:"deletions: the volumes' snapshots, with those that would go"`
}

// Asked says how a request was confirmed.
type Asked struct {
	By          Actor      `json:"by"`
	Email       string     `json:"email,omitempty"`
	Role        string     `json:"role,omitempty"`
	MemberSince *time.Time `json:"member_since,omitempty"`
	At          time.Time  `json:"at"`
	Factor      string     `json:"factor" enum:"passkey,totp"`
	FactorSince *time.Time `json:"factor_since,omitempty" doc:"when that passkey was enrolled"`
	DeviceBound bool       `json:"device_bound"`
	Page        string     `json:"page,omitempty" doc:"origin of the page that asked the passkey, as the passkey signed it"`
	Address     string     `json:"address,omitempty" doc:"as the service saw it"`
	Agent       string     `json:"agent,omitempty" doc:"as the browser called itself"`
}

// AccountChange is a line of an account's history.
type AccountChange struct {
	Person Actor     `json:"person"`
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Detail string    `json:"detail"`
	By     Actor     `json:"by"`
}

// Elector is one of the approvers with what they can do about a request.
type Elector struct {
	Approver Actor  `json:"approver"`
	Standing string `json:"standing" enum:"approved,denied,may,may-deny,may-not"`
	Why      string `json:"why,omitempty"`
	Missing  string `json:"missing,omitempty" enum:"person,key" doc:"what a change of the charter would have to take in before they vote: the person, or a passkey of theirs"`
}

// Remains are the newest snapshots of a volume, newest first.
type Remains struct {
	Volume    string      `json:"volume"`
	Name      string      `json:"name"`
	Points    []Remainder `json:"points"`
	More      bool        `json:"more,omitempty" doc:"there are older ones"`
	Going     int         `json:"going"`
	Remaining int         `json:"remaining" doc:"of those listed: restore points here that stay: proven, older than the undo window, not suspect"`
}

// Remainder is one snapshot of Remains.
type Remainder struct {
	Snapshot string    `json:"snapshot"`
	TakenAt  time.Time `json:"taken_at"`
	State    string    `json:"state" enum:"going,proven,young,held,suspect,unsealed,hidden,erased" doc:"young: within the undo window, so that it counts as no restore point yet"`
}

// Approver is a person whom the charter in force names.
type Approver struct {
	Person     Actor         `json:"person"`
	AdmittedAt time.Time     `json:"admitted_at" doc:"by the log"`
	UsableFrom time.Time     `json:"usable_from" doc:"end of the quarantine: until then they may stop, not approve"`
	Keys       []ApproverKey `json:"keys"`
	Suspension *Suspension   `json:"suspension,omitempty"`
}

// ApproverKey is a passkey that the charter names.
type ApproverKey struct {
	ID         string    `json:"id" doc:"the credential, as the charter spells it"`
	Hardware   bool      `json:"hardware" doc:"bound to one device"`
	AdmittedAt time.Time `json:"admitted_at"`
	UsableFrom time.Time `json:"usable_from"`
}

// Terms are a charter's rules as data. Its text alone is what counts.
type Terms struct {
	Number     int64       `json:"number"`
	Undo       float64     `json:"undo_seconds"`
	Quarantine float64     `json:"quarantine_seconds"`
	Stagger    float64     `json:"stagger_seconds"`
	Clocks     int         `json:"clocks"`
	Witnesses  int         `json:"witnesses"`
	KeepRules  string      `json:"keep_rules" enum:"owner,operator,quorum"`
	Approvers  int         `json:"approvers"`
	Teams      []string    `json:"teams"`
	Recipients int         `json:"recipients"`
	Origins    []string    `json:"origins"`
	Sites      []SiteTerms `json:"sites"`
}

// SiteTerms are what a charter demands of a deletion at a site.
type SiteTerms struct {
	Site          string  `json:"site"`
	Role          string  `json:"role"`
	Approvals     int     `json:"approvals"`
	Teams         int     `json:"teams"`
	Hardware      int     `json:"hardware"`
	Independent   int     `json:"independent"`
	TOTP          bool    `json:"totp"`
	Cooling       float64 `json:"cooling_seconds"`
	Grace         float64 `json:"grace_seconds"`
	LastExtra     float64 `json:"last_extra_seconds"`
	RequestCopies int64   `json:"request_copies"`
	RequestBytes  int64   `json:"request_bytes"`
	DayCopies     int64   `json:"day_copies"`
	DayBytes      int64   `json:"day_bytes"`
}

// ComposeCharter names what a next charter should change of the one in force. It binds nobody.
type ComposeCharter struct {
	Lines  map[string]string `json:"lines,omitempty" doc:"as in ProposeGenesis; those of a site are of the primary"`
	Add    []GenesisApprover `json:"add,omitempty" doc:"approvers with every passkey that they have now; one who is named already gets new ones"`
	Remove []string          `json:"remove,omitempty" doc:"ids of approvers"`
}

// ComposedCharter is the text of a next charter.
type ComposedCharter struct {
	Text    string          `json:"text"`
	Changes []CharterChange `json:"changes"`
}

// Site is how a place that holds copies stands.
type Site struct {
	Name      string      `json:"name"`
	Role      string      `json:"role"`
	Here      bool        `json:"here" doc:"in this process; of others only the charter's line is known"`
	Suspended string      `json:"suspended,omitempty" doc:"why nothing is destroyed there now"`
	Charter   int64       `json:"charter" doc:"number of the charter that it has pinned"`
	LogSize   int64       `json:"log_size" doc:"how far it has read the log"`
	Spent     int64       `json:"spent" doc:"warrants that are used up"`
	Epoch     int64       `json:"epoch"`
	Clock     *SiteClock  `json:"clock,omitempty"`
	Alarms    []SiteAlarm `json:"alarms" doc:"newest first"`
}

// SiteClock is what all clocks say.
type SiteClock struct {
	Wall    time.Time      `json:"wall"`
	Boot    float64        `json:"boot_seconds" doc:"since the machine started"`
	Outside []OutsideClock `json:"outside"`
	Needed  int            `json:"needed" doc:"how many outside clocks the charter demands"`
	Agree   bool           `json:"agree"`
}

// OutsideClock is somebody else's clock.
type OutsideClock struct {
	Name string  `json:"name"`
	Off  float64 `json:"off_seconds" doc:"ahead of this machine's"`
}

// SiteAlarm is an alarm in the log.
type SiteAlarm struct {
	Index  int64     `json:"index"`
	At     time.Time `json:"at"`
	Tenant string    `json:"tenant,omitempty"`
	What   string    `json:"what"`
}
