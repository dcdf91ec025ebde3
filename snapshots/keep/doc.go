// Package keep owns the language of keep rules: which snapshots of a volume a rule chooses for deletion. A rule only ever
// proposes; the gate decides (T32). The package is pure: the same rule and the same points give the same choice at every
// site and on every day, but for what has left the undo window meanwhile.
//
// It must never choose a point that is pinned, held, suspect, unproven, unsealed or younger than the undo window, let such
// a point use up a place of one that counts, or accept two spellings of one rule.
//
// The language is described in docs/spec/keep-rule.md.
package keep
