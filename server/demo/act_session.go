package demo

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// session: a stolen session that has shown both factors, without the factors.
func (p *player) session() error {
	ctx, otto := p.ctx, p.state.find(operatorEmail)
	whole, err := otto.signIn(ctx)
	if err != nil {
		return err
	}
	p.thief = client.New(otto.base, client.WithCookies(whole.Cookies()))
	if err := p.must("T02", "He takes over the cookie of Otto's full session", func() (string, error) {
		s, err := p.thief.Session(ctx)
		return fmt.Sprintf("%s, %s", s.Person.Name, s.Assurance), err
	}); err != nil {
		return err
	}
	p.askAlone()
	p.backupLogins(otto)
	p.crossSite()
	p.overwriting()
	p.hostileArchive()
	p.hostileInput()
	p.tickets()
	p.weaken()
	return p.publicLog()
}

// askAlone: the deletion of a snapshot, by a session that cannot prove presence.
func (p *player) askAlone() {
	ctx := p.ctx
	p.refuse("T03", "He deletes a snapshot", []string{wire.TypeGateRequired}, func() error { return p.thief.DeleteSnapshot(ctx, p.kept) })
	var draft wire.Request
	p.check("T03", "He drafts a request for its deletion: a draft binds nobody", func() (string, error) {
		var err error
		draft, err = p.thief.Draft(ctx, p.deletion("cleaning up", p.kept))
		if err == nil && draft.State != "draft" {
			err = fmt.Errorf("state %q", draft.State)
		}
		return draft.ID + " is a draft", err
	})
	p.refuse("T03", "He confirms it without a second factor (RFC 9470)", []string{wire.TypeStepUpRequired}, func() error {
		a, err := raw{method: "POST", url: p.state.Addresses.Portal + "/v1/requests/" + draft.ID + "/confirm", cookies: p.thief.Cookies()}.send(ctx)
		if err == nil && !strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_user_authentication") {
			return fmt.Errorf("no WWW-Authenticate challenge, but %q", a.header.Get("WWW-Authenticate"))
		}
		if err != nil {
			return err
		}
		return a.err()
	})
	p.check("T29", "He buries the queue under 40 junk drafts: approvers see none of them", func() (string, error) {
		made := 0
		for range 40 {
			if _, err := p.thief.Draft(ctx, p.deletion("junk", p.state.Snapshots["play 0"])); err == nil {
				made++
			} else if client.Is(err, wire.TypeInternal) {
				return "", err
			}
		}
		ada, err := p.as(ctx, cast[0].Email)
		if err != nil {
			return "", err
		}
		queue, err := ada.Requests(ctx, "open")
		if err != nil {
			return "", err
		}
		if len(queue) != 0 {
			return "", fmt.Errorf("the approvers' queue has %d requests", len(queue))
		}
		return fmt.Sprintf("%d drafts kept, the approvers' queue is empty", made), nil
	})
}

func (p *player) deletion(reason string, snapshots ...string) wire.AskRequest {
	a := wire.AskRequest{Action: "delete-copies", Reason: reason}
	for _, s := range snapshots {
		a.Copies = append(a.Copies, wire.CopyRef{Snapshot: s})
	}
	return a
}

// backupLogins: spare accounts and factors for when the theft is noticed.
func (p *player) backupLogins(otto *person) {
	ctx := p.ctx
	stepUp := []string{wire.TypeStepUpRequired, wire.TypeDenied}
	own := &person{Email: "thief", TOTP: ""}
	p.refuse("T13", "He enrols a TOTP generator of his own", stepUp, func() error {
		e, err := p.thief.BeginTOTP(ctx)
		if err != nil {
			return err
		}
		own.TOTP = e.Secret
		code, err := own.code(ctx, nil)
		if err != nil {
			return err
		}
		_, err = p.thief.ConfirmTOTP(ctx, wire.Code{Code: code, Ceremony: e.Ceremony, Name: "backup"})
		return err
	})
	p.refuse("T13", "He enrols a passkey of his own", stepUp, func() error {
		o, err := p.thief.BeginPasskeyEnrolment(ctx)
		if err != nil {
			return err
		}
		stranger := &person{base: otto.base, Key: newKey()}
		a, err := stranger.create(o, "backup")
		if err != nil {
			return err
		}
		_, err = p.thief.FinishPasskeyEnrolment(ctx, a)
		return err
	})
	p.refuse("T13", "He makes recovery codes", stepUp, func() error { _, err := p.thief.RenewRecoveryCodes(ctx); return err })
	p.refuse("T13", "He changes the password", stepUp, func() error { return p.thief.ChangePassword(ctx, otto.Password, secret()) })
	p.refuse("T13", "He invites a second owner", stepUp, func() error {
		_, err := p.thief.InviteMember(ctx, wire.Invite{Name: "Backup", Email: "backup@acme.example", Role: "owner"})
		return err
	})
	p.refuse("T13", "He makes himself an owner", append(stepUp, wire.TypeNotFound), func() error { _, err := p.thief.SetRole(ctx, otto.ID, "owner"); return err })
	p.refuse("T13", "He removes the owner", append(stepUp, wire.TypeNotFound), func() error { return p.thief.RemoveMember(ctx, p.state.find(ownerEmail).ID) })
	p.refuse("T13", "He makes an API token", stepUp, func() error {
		_, err := p.thief.MintToken(ctx, wire.MintToken{Name: "backup", Scopes: []string{"volume:read"}, ExpiresAt: time.Now().Add(time.Hour)})
		return err
	})
	p.refuse("T13", "He takes Otto's own factor away", stepUp, func() error {
		f, err := p.thief.Factors(ctx)
		if err != nil {
			return err
		}
		return p.thief.RemoveFactor(ctx, f[0].ID)
	})
}

// crossSite: what a page of another site could do with a browser's cookies.
func (p *player) crossSite() {
	ctx, portal := p.ctx, p.state.Addresses.Portal
	for name, header := range inOrder(map[string]map[string]string{
		"with a foreign Origin":             {"Origin": "https://evil.example"},
		"with Origin null":                  {"Origin": "null"},
		"that the browser calls cross-site": {"Sec-Fetch-Site": "cross-site"},
	}) {
		p.refuse("T08", "A request "+name, []string{wire.TypeForeignOrigin}, func() error {
			return raw{method: "POST", url: portal + "/v1/volumes", cookies: p.thief.Cookies(), header: header, body: []byte(`{"name":"csrf","kind":"files"}`)}.do(ctx)
		})
		p.refuse("T08", "A deletion "+name, []string{wire.TypeForeignOrigin}, func() error {
			return raw{method: "DELETE", url: portal + "/v1/data/" + mainVolume + "/files/x", cookies: p.thief.Cookies(), header: header}.do(ctx)
		})
	}
	p.refuse("T08", "A form of another site, which cannot send JSON", nil, func() error {
		return raw{method: "POST", url: portal + "/v1/volumes", cookies: p.thief.Cookies(), body: []byte(`{"name":"csrf","kind":"files"}`),
			header: map[string]string{"Content-Type": "text/plain", "Origin": "https://evil.example"}}.do(ctx)
	})
	p.check("T08", "No answer may be framed or sniffed", func() (string, error) {
		for _, base := range []string{portal, p.state.Addresses.Console} {
			a, err := raw{method: "GET", url: base + "/v1/session"}.send(ctx)
			if err != nil {
				return "", err
			}
			if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") {
				return "", fmt.Errorf("%s: Content-Security-Policy %q", base, csp)
			}
			if a.header.Get("X-Content-Type-Options") != "nosniff" {
				return "", fmt.Errorf("%s: X-Content-Type-Options is not nosniff", base)
			}
		}
		return "frame-ancestors 'none' and nosniff on both faces", nil
	})
	p.refuse("T08", "The portal's session on the console", []string{wire.TypeWrongFace, wire.TypeNotAuthenticated}, func() error {
		return raw{method: "GET", url: p.state.Addresses.Console + "/v1/requests", cookies: map[string]string{"__Host-console": p.thief.Cookies()["__Host-portal"]}}.do(ctx)
	})
}

// overwriting: changing what is sealed, and half an upload.
func (p *player) overwriting() {
	ctx, portal := p.ctx, p.state.Addresses.Portal
	for _, method := range []string{"PUT", "DELETE"} {
		p.refuse("T33", method+" into a sealed snapshot", []string{wire.TypeImmutable}, func() error {
			return raw{method: method, url: portal + "/v1/data/snapshots/" + p.kept + "/files/x", cookies: p.thief.Cookies(), body: []byte("x")}.do(ctx)
		})
	}
	p.check("T33", "An upload that breaks off changes nothing", func() (string, error) {
		was, err := p.content(p.thief, client.Source{Volume: playVolume}, "toy-0.txt")
		if err != nil {
			return "", err
		}
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err = p.thief.PutFile(short, playVolume, "toy-0.txt", io.MultiReader(strings.NewReader("half of"), &broken{}))
		if err == nil {
			return "", errors.New("half an upload was accepted")
		}
		is, err := p.content(p.thief, client.Source{Volume: playVolume}, "toy-0.txt")
		if err == nil && is != was {
			err = fmt.Errorf("the file is %q, was %q", is, was)
		}
		return "the file is as it was", err
	})
}

// broken is an upload that breaks off.
type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, errors.New("the line is dead") }

func (p *player) content(c *client.Client, from client.Source, path string) (string, error) {
	body, err := c.GetFile(p.ctx, from, path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(body, 1<<20))
	return string(text), errors.Join(err, body.Close())
}

// hostileArchive: names and links that would leave a restore's target.
func (p *player) hostileArchive() {
	ctx := p.ctx
	for _, h := range []tar.Header{
		{Name: "../../evil", Typeflag: tar.TypeReg},
		{Name: "/etc/evil", Typeflag: tar.TypeReg},
		{Name: "a/../../evil", Typeflag: tar.TypeReg},
		{Name: "a/./evil", Typeflag: tar.TypeReg},
	} {
		p.refuse("T38", fmt.Sprintf("An archive with a member named %q", h.Name), []string{wire.TypeInvalid}, func() error {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			if err := errors.Join(w.WriteHeader(&h), w.Close()); err != nil {
				return err
			}
			_, err := p.thief.PutTar(ctx, playVolume, &b, false)
			return err
		})
	}
	for _, path := range []string{"..%2f..%2fevil", "%2e%2e/evil", "a%00b"} {
		p.refuse("T38", "A file under the path "+path, append([]string{wire.TypeInvalid}, refusals...), func() error {
			return raw{method: "PUT", url: p.state.Addresses.Portal + "/v1/data/" + playVolume + "/files/" + path, cookies: p.thief.Cookies(), body: []byte("x")}.do(ctx)
		})
	}
	p.check("T38", "What an archive may hold and a restore must not follow stays in its place", func() (string, error) {
		return p.foreignLinks()
	})
}

// hostileInput: what is too large, too deep, or not what it looks like.
func (p *player) hostileInput() {
	ctx, portal := p.ctx, p.state.Addresses.Portal
	invalid := []string{wire.TypeInvalid, wire.TypeTooLarge, wire.TypeNotFound}
	post := func(body string) func() error {
		return func() error {
			return raw{method: "POST", url: portal + "/v1/volumes", cookies: p.thief.Cookies(), body: []byte(body)}.do(ctx)
		}
	}
	p.refuse("T50", "JSON of 100,000 levels", invalid, post(strings.Repeat("[", 100_000)))
	p.refuse("T50", "JSON of 3 MiB", invalid, post(`{"name":"`+strings.Repeat("x", 3<<20)+`","kind":"files"}`))
	p.refuse("T50", "A member that nobody knows", invalid, post(`{"name":"x","kind":"files","quorum":0}`))
	p.refuse("T50", "An archive that is not one", invalid, func() error {
		_, err := p.thief.PutTar(ctx, playVolume, strings.NewReader(strings.Repeat("not a tar archive ", 100)), true)
		return err
	})
	p.check("T50", "A reason with bidirectional overrides and markup is shown as what it is", func() (string, error) {
		r, err := p.thief.Draft(ctx, p.deletion("old \u202esnoitceles\u202c <script>alert(1)</script>\u200b", p.state.Snapshots["play 0"]))
		if client.Is(err, wire.TypeInvalid) {
			return "refused: " + err.Error(), nil
		}
		if err != nil {
			return "", err
		}
		for _, c := range []byte(r.Statement) {
			if c >= 0x7f || c < 0x20 && c != '\n' {
				return "", fmt.Errorf("the statement holds byte %#x", c)
			}
		}
		return "the statement is printable ASCII", nil
	})
}

// weaken: rules by another name.
func (p *player) weaken() {
	ctx := p.ctx
	types := []string{wire.TypeDenied, wire.TypeInvalid, wire.TypeNotFound}
	for action, facts := range inOrder(map[string]map[string]string{
		"shorten-undo": {"undo": "1s"}, "shorten-retention": {"retention": "1s"}, "close-tenant": nil, "release-hold": nil,
		"lift-freeze": nil, "reset-factor": nil, "change-charter": nil, "destroy-key": nil, "detach-site": nil, "delete-everything": nil,
	}) {
		threat := "T32"
		if action == "close-tenant" {
			threat = "T31"
		}
		p.refuse(threat, "Otto's session asks for "+action, types, func() error {
			_, err := p.thief.Draft(ctx, wire.AskRequest{Action: action, Subject: p.state.Tenant, Facts: facts, Reason: "tidying"})
			return err
		})
	}
}

// publicLog: what a stranger learns from the log.
func (p *player) publicLog() error {
	p.check("T59", "The public log names nobody", func() (string, error) {
		checkpoint, err := raw{method: http.MethodGet, url: p.state.Addresses.Portal + "/checkpoint"}.send(p.ctx)
		if err != nil || checkpoint.err() != nil {
			return "", errors.Join(err, checkpoint.err())
		}
		text := string(checkpoint.body)
		lines := strings.Split(text, "\n")
		if len(lines) < 3 {
			return "", fmt.Errorf("no checkpoint, but %q", text)
		}
		var size int64
		if _, err := fmt.Sscan(lines[1], &size); err != nil {
			return "", err
		}
		total := 0
		for tile := int64(0); tile*256 < size; tile++ {
			url := fmt.Sprintf("%s/tile/entries/%03d", p.state.Addresses.Portal, tile)
			if left := size - tile*256; left < 256 {
				url += fmt.Sprintf(".p/%d", left)
			}
			a, err := raw{method: http.MethodGet, url: url}.send(p.ctx)
			if err != nil || a.err() != nil {
				return "", fmt.Errorf("%s: %w", url, errors.Join(err, a.err()))
			}
			total += len(a.body)
			text += string(a.body)
		}
		for _, word := range []string{"Acme", "acme.example", "Olivia", p.state.Tenant, p.state.Volumes[mainVolume], p.kept, p.state.find(ownerEmail).ID} {
			if strings.Contains(text, word) {
				return "", fmt.Errorf("the public log contains %q", word)
			}
		}
		return fmt.Sprintf("%d leaves, %d bytes, no name and no id of Acme", size, total), nil
	})
	return nil
}

// claims reads the payload of a JWT.
func claims(part []byte) (map[string]any, error) {
	out := map[string]any{}
	return out, json.Unmarshal(part, &out)
}
