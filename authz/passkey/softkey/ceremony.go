package softkey

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"holdfast/authz/passkey"
)

// blob is bytes in base64url, as WebAuthn spells them in JSON.
type blob []byte

func (b blob) MarshalJSON() ([]byte, error) { return json.Marshal(b64.EncodeToString(b)) }

func (b *blob) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	raw, err := b64.DecodeString(s)
	*b = raw
	return err
}

type descriptor struct {
	ID blob `json:"id"`
}

type creationOptions struct {
	PublicKey struct {
		RP struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID blob `json:"id"`
		} `json:"user"`
		Challenge blob         `json:"challenge"`
		Exclude   []descriptor `json:"excludeCredentials"`
	} `json:"publicKey"`
}

type requestOptions struct {
	PublicKey struct {
		RPID      string       `json:"rpId"`
		Challenge blob         `json:"challenge"`
		Allow     []descriptor `json:"allowCredentials"`
	} `json:"publicKey"`
}

type response struct {
	ID         blob            `json:"id"`
	RawID      blob            `json:"rawId"`
	Type       string          `json:"type"`
	Attachment string          `json:"authenticatorAttachment"`
	Response   map[string]any  `json:"response"`
	Extensions json.RawMessage `json:"clientExtensionResults"`
}

func respond(id []byte, fields map[string]any) ([]byte, error) {
	return json.Marshal(response{
		ID: id, RawID: id, Type: "public-key", Attachment: "platform", Response: fields, Extensions: json.RawMessage("{}"),
	})
}

// Create answers navigator.credentials.create on a page of the origin. Options
// are those of passkey's BeginRegistration; the answer is for FinishRegistration.
// Errors: ErrOptions, ErrExcluded.
func (d *Device) Create(origin string, options []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var o creationOptions
	if err := json.Unmarshal(options, &o); err != nil || len(o.PublicKey.Challenge) == 0 {
		return nil, ErrOptions
	}
	for _, k := range d.keys {
		if k.in(o.PublicKey.Exclude) && k.rpID == o.PublicKey.RP.ID {
			return nil, ErrExcluded
		}
	}
	k, err := d.enrol(o.PublicKey.RP.ID, o.PublicKey.User.ID)
	if err != nil {
		return nil, err
	}
	client, err := d.clientData("webauthn.create", origin, b64.EncodeToString(o.PublicKey.Challenge))
	if err != nil {
		return nil, fmt.Errorf("softkey: %w", err)
	}
	attested := binary.BigEndian.AppendUint16(bytes.Clone(AAGUID[:]), uint16(len(k.id)))
	attested = append(append(attested, k.id...), k.cose()...)
	auth, format, statement := d.authData(k, attested), "none", map[string]any{}
	if d.behaviour.SelfAttest {
		signature, err := k.over(auth, client)
		if err != nil {
			return nil, err
		}
		format, statement = "packed", map[string]any{"alg": -7, "sig": signature}
	}
	object, err := canonical.Marshal(map[string]any{"fmt": format, "attStmt": statement, "authData": auth})
	if err != nil {
		return nil, fmt.Errorf("softkey: %w", err)
	}
	return respond(k.id, map[string]any{
		"clientDataJSON": blob(client), "attestationObject": blob(object), "transports": []string{"internal"},
	})
}

// Get answers navigator.credentials.get on a page of the origin, with the first
// credential that the options allow. Errors: ErrOptions, ErrNoCredential.
func (d *Device) Get(origin string, options []byte) ([]byte, error) {
	return d.get(origin, options, nil)
}

// GetWith is Get with one certain credential, allowed or not.
func (d *Device) GetWith(origin string, options, credentialID []byte) ([]byte, error) {
	return d.get(origin, options, credentialID)
}

func (d *Device) get(origin string, options, credentialID []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var o requestOptions
	if err := json.Unmarshal(options, &o); err != nil || len(o.PublicKey.Challenge) == 0 {
		return nil, ErrOptions
	}
	for _, k := range d.keys {
		chosen := credentialID != nil && bytes.Equal(k.id, credentialID) ||
			credentialID == nil && k.rpID == o.PublicKey.RPID && (len(o.PublicKey.Allow) == 0 || k.in(o.PublicKey.Allow))
		if !chosen {
			continue
		}
		e, err := d.sign(k, origin, b64.EncodeToString(o.PublicKey.Challenge))
		if err != nil {
			return nil, err
		}
		return Response(e, k.handle)
	}
	return nil, ErrNoCredential
}

// Response is evidence in the JSON form that a browser sends.
func Response(e passkey.Evidence, handle []byte) ([]byte, error) {
	return respond(e.CredentialID, map[string]any{
		"clientDataJSON": blob(e.ClientDataJSON), "authenticatorData": blob(e.AuthenticatorData),
		"signature": blob(e.Signature), "userHandle": blob(handle),
	})
}

func (k *key) in(list []descriptor) bool {
	for _, c := range list {
		if bytes.Equal(k.id, c.ID) {
			return true
		}
	}
	return false
}
