package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// The people of a demonstration can be borrowed from another terminal, so that a
// tour needs no authenticator app. It works only on a directory that a
// demonstration made.

// borrow finds a person by first name or e-mail address.
func borrow(dir, who string) (*state, *person, error) {
	s, err := loadState(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range s.People {
		first, _, _ := strings.Cut(p.Name, " ")
		if !strings.EqualFold(first, who) && !strings.EqualFold(p.Email, who) {
			continue
		}
		p.base = s.Addresses.Portal
		if p.staff() {
			p.base = s.Addresses.Console
		}
		return s, p, nil
	}
	return nil, nil, fmt.Errorf("demo: nobody here is called %q: is the demonstration running with --dir %s?", who, dir)
}

// SignIn signs a person of the demonstration in with their password and software
// passkey. It returns the origin of their face and the session's cookies.
func SignIn(ctx context.Context, dir, who string) (base string, cookies map[string]string, session wire.Session, err error) {
	s, p, err := borrow(dir, who)
	if err != nil {
		return "", nil, session, err
	}
	defer s.keep(&err)
	c, err := p.signIn(ctx)
	if err != nil {
		return "", nil, session, err
	}
	session, err = c.Session(ctx)
	return p.base, c.Cookies(), session, err
}

// keep saves what borrowing has used up, also when what followed failed: a key whose counter fell back behind what the
// service has seen would be taken for a clone, and refused for good.
func (s *state) keep(err *error) { *err = errors.Join(*err, s.save()) }

// Code is a TOTP code of a person that was not used yet; it may take half a
// minute, for a code works once.
func Code(ctx context.Context, dir, who string, say func(format string, args ...any)) (string, error) {
	s, p, err := borrow(dir, who)
	if err != nil {
		return "", err
	}
	code, err := p.code(ctx, say)
	if err != nil {
		return "", err
	}
	return code, s.save()
}

var _ client.Prover = (*person)(nil)
