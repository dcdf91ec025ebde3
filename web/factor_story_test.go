package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

// release asks for the end of a hold, which takes passkeys alone, with a hold that no other story needs.
func (w *world) release(t *testing.T, name string) (request string) {
	t.Helper()
	v := w.filled(t, name, "stock.txt")
	var h wire.Hold
	w.owner.api(t, "POST", "/v1/holds", wire.PlaceHold{Volume: v.ID, Reason: name}, &h)
	w.owner.open(t, "/stops/release-hold/"+h.ID)
	w.owner.fill(t, "#reason", "All is counted.")
	w.owner.press(t, "Draft the request…")
	w.owner.confirmIfAsked(t, "This is a draft")
	request = strings.TrimPrefix(get(t, w.owner, chromedp.Evaluate[string](`location.pathname`)), "/requests/")
	w.owner.press(t, "Confirm the request…")
	w.owner.confirmIfAsked(t, "The request is confirmed and open for votes.")
	return request
}

// present lets an authenticator touch by itself, or not.
func (a *actor) present(t *testing.T, key webauthn.AuthenticatorID, on bool) {
	t.Helper()
	a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: key, Enabled: on})
		return err
	}))
}

// TestStoryApproverSeesWhichFactorsVote: an approver's page of factors says of each whether it votes, on what, and what
// to do where the charter does not name it; staff whom it does not name read the same on the page and on a request.
func TestStoryApproverSeesWhichFactorsVote(t *testing.T) {
	the.founded(t)
	request := the.release(t, "factors")
	a := the.approvers[4]
	a.open(t, "/factors")
	a.see(t, "In the charter in force (number", "It votes on every kind of request.")
	a.press(t, "Add a passkey")
	a.confirmIfAsked(t, "Take the security key or device")
	var second webauthn.AuthenticatorID
	a.present(t, a.key, false)
	a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		made, err := cdp.Call(ctx, target, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportUsb,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		second = made.AuthenticatorID
		return err
	}))
	a.press(t, "Create the passkey")
	a.see(t, "The factor is added.", "not in the charter in force", "it votes on nothing", "Ask for a change of the charter")
	a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: second})
		return err
	}))
	a.present(t, a.key, true)
	a.look(t, "/factors")
	a.press(t, "Ask for a change of the charter")
	a.see(t, "Propose a change")
	if got := get(t, a, chromedp.Evaluate[string](`document.getElementById("add").value + " " + document.getElementById("team").value`)); got != a.id+" lisbon" {
		t.Errorf("the form begins with %q", got)
	}
	a.press(t, "Show the difference")
	a.see(t, "What it would change", "key")

	nora := the.actor(t, the.Console)
	invitation, err := the.operator.InviteStaff(t.Context(), wire.Invite{Name: "Nell Newcomer", Email: "nell@support.example", Role: "approver"})
	must(t, err)
	nora.accept(t, invitation)
	nora.open(t, "/factors")
	nora.see(t, "The charter in force does not name you", "none of your factors votes")
	nora.look(t, "/factors")
	nora.open(t, "/requests/"+request)
	nora.see(t, "You cannot vote on this", "The charter in force does not name this person", "ask for a change of the charter", "your factors")
	nora.do(t, chromedp.Click(chromedp.CSS(fmt.Sprintf(`a[href="/charter/change?add=%s"]`, nora.id))))
	nora.see(t, "Propose a change")
	nora.quiet(t)
	a.quiet(t)
}

// TestStoryDemonstrationApprovesWhatTakesPasskeys: who tries a demonstration and cannot touch its people's keys is told
// the command that can, for themselves and for this request; a code is offered where it counts, and to deny always.
// Where there is no demonstration no page says a word of it.
func TestStoryDemonstrationApprovesWhatTakesPasskeys(t *testing.T) {
	the.founded(t)
	request := the.release(t, "demonstration")
	a, other := the.approvers[3], the.approvers[2]
	a.open(t, "/requests/"+request+"/approve")
	a.see(t, "You are about to approve", "Approve with your passkey")
	if text := a.text(); strings.Contains(text, "demo approve") || strings.Contains(text, "demonstration’s key") {
		t.Errorf("no demonstration, and yet:\n%s", text)
	}
	the.guide.Store(&wire.Guide{Portal: the.Portal, Console: the.Console, Volume: the.volume.ID, People: []wire.GuidePerson{
		{Name: "Dana Dias", Role: "approver", Face: "console", Email: a.email, Password: a.password, Approve: "go run . demo approve dana", Deny: "go run . demo deny dana"},
	}})
	defer the.guide.Store(nil)
	a.open(t, "/requests/"+request+"/approve")
	a.see(t, "Approve with the demonstration’s key", "go run . demo approve dana "+request, "Copy the command")
	a.look(t, "/requests/approve")
	a.open(t, "/requests/"+request+"/deny")
	a.see(t, "Deny with the demonstration’s key", "go run . demo deny dana "+request)
	a.open(t, "/demo")
	a.see(t, "Stop everything, and let it go on", "go run . demo approve dana REQUEST")
	other.open(t, "/requests/"+request+"/approve")
	if text := other.text(); strings.Contains(text, "demo approve") {
		t.Errorf("somebody else is told Dana's command:\n%s", text)
	}
	the.owner.api(t, "POST", "/v1/requests/"+request+"/cancel", wire.Reason{Reason: "only a story"}, nil)
}
