// Package sqlstore keeps what quorum must remember, on SQLite and PostgreSQL: the transparency log (log*.go) and the
// requests with their evidence. It owns these tables alone.
//
// Every function takes the caller's *sqldb.Tx and never opens, commits or retries a transaction itself, so that a
// transition and its leaf stand or fall together (I7). Locks are taken in the order charter, tenant, volume, request, log
// head: AppendLeaf takes the last one, and whoever has called it may lock nothing else afterwards.
//
// It must never change or remove a row of the log: leaves, hashes and bodies are only ever inserted.
package sqlstore
