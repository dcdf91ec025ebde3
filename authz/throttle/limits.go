package throttle

import "time"

// limit bounds one kind: a bucket for each address and, where free is not
// zero, a growing lock for each account.
type limit struct {
	addressRate, addressBurst int
	addressPeriod             time.Duration
	free                      int
	base, most, forget        time.Duration
}

func (l limit) byAccount() bool { return l.free > 0 }

// Every numeric bound of the throttle stands here. Six digits and three steps
// of skew leave a guesser 3 in a million a try: five free tries, then 30 s
// doubling to an hour, are below 0.02 % a day.
var limits = map[Kind]limit{
	Password: {addressRate: 120, addressBurst: 60, addressPeriod: time.Minute, free: 10, base: 15 * time.Second, most: time.Hour, forget: 24 * time.Hour},
	TOTP:     {addressRate: 60, addressBurst: 30, addressPeriod: time.Minute, free: 5, base: 30 * time.Second, most: time.Hour, forget: 24 * time.Hour},
	Recovery: {addressRate: 20, addressBurst: 10, addressPeriod: time.Minute, free: 5, base: time.Minute, most: time.Hour, forget: 24 * time.Hour},
	Passkey:  {addressRate: 240, addressBurst: 120, addressPeriod: time.Minute},
	Ticket:   {addressRate: 60, addressBurst: 30, addressPeriod: time.Minute},
	Refusal:  {addressRate: 30, addressBurst: 30, addressPeriod: time.Minute},
}
