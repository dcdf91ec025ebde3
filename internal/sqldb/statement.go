package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"

	sqlite "modernc.org/sqlite"
)

// connector opens connections to a SQLite file that keep their prepared statements: to parse and plan a statement takes
// SQLite longer than to run it. (pgx does the same for PostgreSQL by itself.) SQLite prepares a statement afresh by itself
// when the schema has changed.
//
// A statement that is kept has one result at a time, as [Tx.Query] asks for anyway.
type connector struct {
	driver *sqlite.Driver
	dsn    string
}

// openPool is a pool of such connections.
func openPool(dsn string) *sql.DB { return sql.OpenDB(connector{&sqlite.Driver{}, dsn}) }

// Driver implements driver.Connector.
func (c connector) Driver() driver.Driver { return c.driver }

// Connect implements driver.Connector.
func (c connector) Connect(context.Context) (driver.Conn, error) {
	inner, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	whole, ok := inner.(engine)
	if !ok {
		return nil, errors.Join(errors.New("sqldb: the driver of SQLite has changed"), inner.Close())
	}
	return &conn{engine: whole, kept: map[string]*kept{}}, nil
}

// engine is what a connection of the driver can do.
type engine interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is one connection. Like every driver.Conn it is used by one goroutine at a time.
type conn struct {
	engine
	kept map[string]*kept
}

// kept is a prepared statement.
type kept struct {
	driver.Stmt
	// brief says that it stores rows that it is given, which is soon over. The driver watches over the context of a
	// statement with a goroutine of its own, which costs as much as to store a row.
	brief bool
}

// context is what the driver is to watch while the statement runs.
func (s *kept) context(ctx context.Context) (context.Context, error) {
	if !s.brief {
		return ctx, nil
	}
	return context.WithoutCancel(ctx), ctx.Err()
}

// statement finds or makes the statement of a text; nil when the text is to be run as it is.
func (c *conn) statement(ctx context.Context, q string) (*kept, error) {
	if s := c.kept[q]; s != nil {
		return s, nil
	}
	verb, _, _ := strings.Cut(strings.TrimLeft(q, " \t\n"), " ")
	switch verb {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
	default:
		return nil, nil
	}
	if len(c.kept) >= maxStatements || strings.Contains(q, ";") {
		return nil, nil
	}
	s, err := c.PrepareContext(ctx, unnumbered(q))
	if err != nil {
		return nil, err
	}
	k := &kept{Stmt: s, brief: verb == "INSERT" && strings.Contains(q, " VALUES ")}
	c.kept[q] = k
	return k, nil
}

// unnumbered writes ? for the placeholders of a text that has $1 to $n once each and in this order, and answers any other
// text as it is. SQLite keeps the names of placeholders in a list, in which its driver looks up the name of each at each
// run, which took longer than to store a row; a question mark has no name.
func unnumbered(q string) string {
	var b strings.Builder
	next := 1
	for rest := q; ; {
		i := strings.IndexAny(rest, `$'"?-`)
		if i < 0 {
			b.WriteString(rest)
			return b.String()
		}
		b.WriteString(rest[:i])
		c := rest[i]
		rest = rest[i:]
		switch c {
		case '$':
			number := "$" + strconv.Itoa(next)
			after, ok := strings.CutPrefix(rest, number)
			if !ok || after != "" && after[0] >= '0' && after[0] <= '9' {
				return q
			}
			b.WriteByte('?')
			next, rest = next+1, after
		case '\'', '"':
			end := strings.IndexByte(rest[1:], c) // a doubled quote ends one text and begins another
			if end < 0 {
				return q
			}
			b.WriteString(rest[:end+2])
			rest = rest[end+2:]
		case '?':
			return q
		case '-':
			if strings.HasPrefix(rest, "--") { // a comment may hold anything
				return q
			}
			b.WriteByte(c)
			rest = rest[1:]
		}
	}
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	k, err := c.statement(ctx, q)
	if err != nil {
		return nil, err
	}
	if k != nil {
		if s, ok := k.Stmt.(driver.StmtExecContext); ok {
			ctx, err := k.context(ctx)
			if err != nil {
				return nil, err
			}
			return s.ExecContext(ctx, args)
		}
	}
	return c.engine.ExecContext(ctx, q, args)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	k, err := c.statement(ctx, q)
	if err != nil {
		return nil, err
	}
	if k != nil {
		if s, ok := k.Stmt.(driver.StmtQueryContext); ok {
			return s.QueryContext(ctx, args)
		}
	}
	return c.engine.QueryContext(ctx, q, args)
}

// Close ends the kept statements and the connection.
func (c *conn) Close() error {
	var errs []error
	for _, s := range c.kept {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.engine.Close())...)
}
