// Package console owns the pages that support people use: the queue of
// requests, one request as it is signed, the genesis ceremony and the freeze. It
// must never show a statement in other words than its own, nor offer one
// decision more prominently than the other.
package console
