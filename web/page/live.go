package page

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/api"
	"holdfast/server/control"
	"holdfast/server/wire"
)

// Live tells open pages that there is news, by server-sent events. It says only
// that something has changed: the page then asks for itself again and is shown
// what its visitor may see. The truth is the log, looked at once a second while
// anybody listens; nothing is lost when an event is.
type Live struct {
	pulse func(ctx context.Context, since int64) (control.News, error)

	mu        sync.Mutex
	listeners map[*listener]string // to whom it belongs
	size      int64                // of the log when it was last looked at
	looking   bool
	closed    bool
	done      chan struct{}
	ended     sync.WaitGroup
}

type listener struct {
	tenant string
	news   chan int64 // the newest size only
}

// NewLive watches the log of c. Close it when the service is told to stop, or the
// open connections keep it from ending.
func NewLive(c *control.Control) *Live {
	return &Live{pulse: c.Pulse, listeners: map[*listener]string{}, done: make(chan struct{})}
}

// Close ends every connection.
func (l *Live) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
	l.mu.Unlock()
	l.ended.Wait()
}

// join begins to listen, and returns the log's size then. It refuses who has too
// many pages open, and everybody when too many listen.
func (l *Live) join(ctx context.Context, person, tenant string) (*listener, int64, error) {
	now, err := l.pulse(ctx, -1)
	if err != nil {
		return nil, 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	own := 0
	for _, p := range l.listeners {
		if p == person {
			own++
		}
	}
	if l.closed || own >= maxOwnListeners || len(l.listeners) >= maxListeners {
		return nil, 0, control.NewError(wire.TypeThrottled, nil, "Too many pages wait for news. Close some; this one shows what is new when it is loaded again.")
	}
	me := &listener{tenant: tenant, news: make(chan int64, 1)}
	l.listeners[me] = person
	if !l.looking {
		l.looking, l.size = true, now.Size
		l.ended.Go(l.look)
	}
	return me, now.Size, nil
}

func (l *Live) leave(me *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.listeners, me)
}

// look looks at the log until nobody listens any more.
func (l *Live) look() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
		if !l.lookOnce() {
			return
		}
	}
}

func (l *Live) lookOnce() (more bool) {
	l.mu.Lock()
	if len(l.listeners) == 0 {
		l.looking = false
		l.mu.Unlock()
		return false
	}
	since := l.size
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	n, err := l.pulse(ctx, since)
	if err != nil || n.Size == since {
		return true // a database that does not answer has no news; the next look may have
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = n.Size
	for who := range l.listeners {
		if !n.Concerns(who.tenant) {
			continue
		}
		select {
		case <-who.news: // not taken yet, and stale now
		default:
		}
		who.news <- n.Size
	}
	return true
}

func (s *Site) livePages() {
	s.echo.GET("/events", s.unattended(func(v *Visit) error { return v.listen(s.live) }))
	// What is left of the session, asked without prolonging it; and its prolonging.
	s.echo.GET("/session/left", s.unattended(sessionLeft))
	s.echo.POST("/session/stay", s.Signed(func(v *Visit) error {
		v.script = v.c.Request().Header.Get("Accept") == "application/json"
		if v.script {
			return sessionLeft(v)
		}
		return v.Go(v.next())
	}))
}

// unattended answers the page's script, which no person has made act.
func (s *Site) unattended(h Handler) echo.HandlerFunc {
	return s.Open(func(v *Visit) error {
		v.script = true
		cred := api.Credentials(v.Context())
		cred.Unattended = true
		if err := v.authenticate(cred); err != nil {
			return err
		}
		return h(v)
	})
}

// left is what the script learns of its session.
type left struct {
	Idle  int `json:"idle"`  // seconds until it ends unless it is used
	Whole int `json:"whole"` // seconds until it ends anyway
}

func (v *Visit) left() left {
	s, now := v.Who.Session, v.now()
	return left{int(s.End().Sub(now).Seconds()), int(s.ExpiresAt.Sub(now).Seconds())}
}

func sessionLeft(v *Visit) error { return v.c.JSON(http.StatusOK, v.left()) }

// listen writes events until the visitor leaves, the session ends or the time of
// one connection is over; the browser then comes back by itself.
func (v *Visit) listen(l *Live) error {
	if err := v.Control.Watch(v.Who); err != nil {
		return err
	}
	tenant := ""
	if v.Who.Principal.Staff == 0 {
		tenant = v.Who.Principal.Tenant.String()
	}
	me, size, err := l.join(v.Context(), v.Who.ID(), tenant)
	if err != nil {
		return err
	}
	defer l.leave(me)
	h := v.c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	// The edge bounds how long a request is read. Here nothing more is to come, and a
	// deadline that passes would cancel whatever the connection is used for next.
	h.Set("Connection", "close")
	_ = http.NewResponseController(v.c.Response()).SetReadDeadline(time.Time{}) // not supported by writers of tests
	v.c.Response().WriteHeader(http.StatusOK)
	if err := v.event("retry: " + strconv.Itoa(retryMillis) + "\n" + sizeEvent("at", size)); err != nil {
		return nil
	}
	if last, ok := v.lastEvent(); ok && last < size {
		if n, err := v.Control.Pulse(v.Context(), last); err == nil && n.Concerns(tenant) {
			if err := v.event(sizeEvent("news", size)); err != nil {
				return nil
			}
		}
	}
	beat, end := time.NewTicker(beatEvery), time.NewTimer(listenFor)
	defer beat.Stop()
	defer end.Stop()
	for {
		text := ""
		select {
		case <-v.Context().Done():
			return nil
		case <-l.done:
			return nil
		case <-end.C:
			return nil
		case size := <-me.news:
			text = sizeEvent("news", size)
		case <-beat.C:
			cred := api.Credentials(v.Context())
			cred.Unattended = true
			// The browser's cookie may have been renewed since: it comes back with it.
			if _, err := v.Control.Authenticate(v.Context(), cred); err != nil {
				return nil
			}
			text = ": still here\n\n"
		}
		if err := v.event(text); err != nil {
			return nil // the visitor has gone
		}
	}
}

// lastEvent is the event after which the visitor wants to know: the browser's own
// header after a break, the script's word when a hidden page shows itself again.
func (v *Visit) lastEvent() (int64, bool) {
	text := v.c.Request().Header.Get("Last-Event-ID")
	if text == "" {
		text = v.Query("since")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}

func sizeEvent(kind string, size int64) string {
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %d\n\n", size, kind, size)
}

func (v *Visit) event(text string) error {
	rc := http.NewResponseController(v.c.Response())
	_ = rc.SetWriteDeadline(v.now().Add(eventWrite)) // a writer without deadlines, as in tests, has nothing to bound
	if _, err := io.Copy(v.c.Response(), strings.NewReader(text)); err != nil {
		return err
	}
	return rc.Flush()
}

// isUnattended says that the page's script asks for the page again by itself.
func (v *Visit) isUnattended() bool {
	return v.c.Request().Method == http.MethodGet && v.c.Request().Header.Get("X-Unattended") == "1"
}

// person reports whether somebody has signed in with both factors.
func (v *Visit) person() bool {
	return v.Who.Principal.Kind == authz.KindPerson && !v.Who.Session.SecondFactorAt.IsZero()
}
