// Package kill kills the built binary with SIGKILL at random moments of ingest,
// sealing, voting, execution and sweeping, starts it again, and looks for
// anything that was acknowledged and is not there, and for any copy that is
// neither whole nor lawfully gone (T47). It holds tests only; nothing imports it.
//
// What a run does follows from its seed, which is printed:
//
//	HOLDFAST_KILL_SEED=7 HOLDFAST_KILL_ROUNDS=50 go test -run TestT47 ./server/e2e/kill
//
// The moments of the kills follow from it as far as the machine's own timing
// allows. SOAK=1 asks for the long run, on both database engines.
package kill
