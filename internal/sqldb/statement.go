package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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
	return &conn{engine: whole, kept: map[string]driver.Stmt{}}, nil
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
	kept map[string]driver.Stmt
}

// statement finds or makes the statement of a text; nil when the text is to be run as it is.
func (c *conn) statement(ctx context.Context, q string) (driver.Stmt, error) {
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
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	c.kept[q] = s
	return s, nil
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, q)
	if err != nil {
		return nil, err
	}
	if s, ok := s.(driver.StmtExecContext); ok {
		return s.ExecContext(ctx, args)
	}
	return c.engine.ExecContext(ctx, q, args)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, q)
	if err != nil {
		return nil, err
	}
	if s, ok := s.(driver.StmtQueryContext); ok {
		return s.QueryContext(ctx, args)
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
