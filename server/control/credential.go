package control

import (
	"encoding/json"
	"fmt"

	"holdfast/authz"
	"holdfast/authz/passkey"
)

// credentialRecord is what the account store keeps, opaque to it, of a passkey
// beyond its own columns.
type credentialRecord struct {
	AAGUID         [16]byte `json:"aaguid"`
	BackupEligible bool     `json:"backup_eligible"`
	Attestation    string   `json:"attestation"`
	Transports     []string `json:"transports,omitempty"`
}

func recordOf(c passkey.Credential) ([]byte, error) {
	return json.Marshal(credentialRecord{c.AAGUID, c.BackupEligible, c.AttestationFormat, c.Transports})
}

func credentialOf(f authz.Factor) (passkey.Credential, error) {
	var r credentialRecord
	if err := json.Unmarshal(f.Passkey.Record, &r); err != nil {
		return passkey.Credential{}, fmt.Errorf("control: passkey record of %s: %w", f.ID, err)
	}
	return passkey.Credential{
		ID: f.Passkey.Credential, PublicKey: f.Passkey.PublicKey, SignCount: f.Passkey.SignCount,
		AAGUID: r.AAGUID, BackupEligible: r.BackupEligible, AttestationFormat: r.Attestation, Transports: r.Transports,
	}, nil
}
