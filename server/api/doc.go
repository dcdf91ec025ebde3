// Package api is the JSON face of Holdfast: it reads requests, finds out who
// calls, hands over to one power of server/control, and writes the answer or an
// RFC 9457 problem. The OpenAPI 3.1 document at /openapi.json is made from the
// same declarations that serve.
//
// It decides nothing: no handler looks at a role, a state or a digest.
package api
