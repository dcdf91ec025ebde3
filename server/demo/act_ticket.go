package demo

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/authz/passkey/softkey"
	"holdfast/server/client"
	"holdfast/server/wire"
)

func newKey() key { return key{softkey.New()} }

// tickets: forged credentials of the data path.
func (p *player) tickets() {
	ctx, portal := p.ctx, p.state.Addresses.Portal
	t, err := p.thief.Ticket(ctx, playVolume, "get")
	if p.must("T10", "He gets a ticket to read the playground, as Otto may", func() (string, error) {
		if err != nil {
			return "", err
		}
		_, err := p.content(client.New(portal, client.WithToken(t.Ticket)), client.Source{Volume: playVolume}, "toy-0.txt")
		return "it reads a file", err
	}) != nil {
		return
	}
	parts := strings.Split(t.Ticket, ".")
	b64 := base64.RawURLEncoding
	payload, err := b64.DecodeString(parts[1])
	if err != nil {
		p.check("T10", "A ticket is a JWT", func() (string, error) { return "", err })
		return
	}
	key, _ := raw{method: "GET", url: portal + "/log/keys"}.send(ctx) // any public key will do
	forge := func(header string, change func(map[string]any), sign func(text string) []byte) string {
		c, err := claims(payload)
		if err != nil {
			return "x.y.z"
		}
		if change != nil {
			change(c)
		}
		text := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString(mustJSON(c))
		return text + "." + b64.EncodeToString(sign(text))
	}
	nothing := func(string) []byte { return nil }
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, key.body)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	head, _ := b64.DecodeString(parts[0])
	signature, _ := b64.DecodeString(parts[2])
	old := func(string) []byte { return signature }
	write := func(c map[string]any) { c["ops"] = "put get delete list restore" }
	for what, ticket := range inOrder(map[string]string{
		"with alg none":                   forge(`{"alg":"none","typ":"holdfast-ticket+jwt"}`, write, nothing),
		"with alg HS256 and a public key": forge(`{"alg":"HS256","typ":"holdfast-ticket+jwt"}`, write, mac),
		"with more operations":            forge(string(head), write, old),
		"without an end":                  forge(string(head), func(c map[string]any) { delete(c, "exp") }, old),
		"for another audience":            forge(string(head), func(c map[string]any) { c["aud"] = "elsewhere" }, old),
		"for another volume":              forge(string(head), func(c map[string]any) { c["volume"] = p.state.Volumes[mainVolume] }, old),
		"for another tenant":              forge(string(head), func(c map[string]any) { c["tenant"] = "ten_00000000000000000000000000" }, old),
		"that lives for years":            forge(string(head), func(c map[string]any) { c["exp"] = time.Now().AddDate(5, 0, 0).Unix() }, old),
		"with the header's own key":       forge(`{"alg":"EdDSA","typ":"holdfast-ticket+jwt","jwk":{"kty":"OKP","crv":"Ed25519","x":"AA"}}`, nil, old),
		"with its signature cut off":      parts[0] + "." + parts[1] + ".",
	}) {
		c := client.New(portal, client.WithToken(ticket))
		p.refuse("T10", "A ticket "+what, []string{wire.TypeNotAuthenticated, wire.TypeBadCredentials}, func() error {
			_, err := p.content(c, client.Source{Volume: playVolume}, "toy-0.txt")
			return err
		})
	}
	narrow := client.New(portal, client.WithToken(t.Ticket))
	out := []string{wire.TypeDenied, wire.TypeNotFound, wire.TypeTokenNotAPerson, wire.TypeNotAuthenticated}
	p.refuse("T10", "The true ticket on another volume", out, func() error {
		body, err := narrow.GetTar(ctx, client.Source{Volume: p.state.Volumes[mainVolume]}, "")
		return drop(body, err)
	})
	p.refuse("T10", "The true ticket, to write", out, func() error {
		_, err := narrow.PutFile(ctx, playVolume, "x", strings.NewReader("x"))
		return err
	})
	p.refuse("T10", "The true ticket, to delete", out, func() error { _, err := narrow.RemoveFile(ctx, playVolume, "toy-0.txt", false); return err })
	p.refuse("T10", "The true ticket, to read a snapshot", out, func() error {
		body, err := narrow.GetTar(ctx, client.Source{Snapshot: p.kept}, "")
		return drop(body, err)
	})
	p.refuse("T10", "The true ticket on the API", out, func() error { _, err := narrow.Volumes(ctx); return err })
	p.refuse("T10", "The true ticket, for another ticket", out, func() error { _, err := narrow.Ticket(ctx, playVolume, "put"); return err })
}

// drop closes what should not have been opened.
func drop(body interface{ Close() error }, err error) error {
	if err == nil && body != nil {
		return errors.Join(body.Close(), errOpened)
	}
	return err
}

var errOpened = fmt.Errorf("it was opened")
