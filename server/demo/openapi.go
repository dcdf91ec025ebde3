package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// operation is a route as /openapi.json describes it.
type operation struct {
	method, path string
	body         any // the smallest one that the description allows, nil for none
}

type openAPI struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Format     string            `json:"format"`
	Enum       []any             `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
	MinItems   int               `json:"minItems"`
	MinLength  int               `json:"minLength"`
	Minimum    float64           `json:"minimum"`
}

// operations reads what a face says that it serves.
func operations(ctx context.Context, base string) ([]operation, error) {
	a, err := raw{method: "GET", url: base + "/openapi.json"}.send(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	var api openAPI
	if err := json.Unmarshal(a.body, &api); err != nil {
		return nil, fmt.Errorf("/openapi.json: %w", err)
	}
	var out []operation
	for path, methods := range api.Paths {
		for method, text := range methods {
			var o struct {
				RequestBody *struct {
					Content map[string]struct {
						Schema schema `json:"schema"`
					} `json:"content"`
				} `json:"requestBody"`
			}
			if err := json.Unmarshal(text, &o); err != nil {
				continue // shared parameters and the like
			}
			op := operation{method: strings.ToUpper(method), path: path}
			if o.RequestBody != nil {
				op.body = api.example(o.RequestBody.Content["application/json"].Schema, 0)
			}
			out = append(out, op)
		}
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return out, nil
}

// example is the smallest value that a schema allows.
func (a *openAPI) example(s schema, depth int) any {
	if depth > 8 {
		return nil
	}
	if s.Ref != "" {
		return a.example(a.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]], depth+1)
	}
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	kind, _ := s.Type.(string)
	if kinds, ok := s.Type.([]any); ok && len(kinds) > 0 {
		kind, _ = kinds[0].(string)
	}
	switch kind {
	case "object":
		out := map[string]any{}
		for _, name := range s.Required {
			out[name] = a.example(s.Properties[name], depth+1)
		}
		return out
	case "array":
		out := []any{}
		for range s.MinItems {
			out = append(out, a.example(*s.Items, depth+1))
		}
		return out
	case "integer", "number":
		return s.Minimum
	case "boolean":
		return false
	case "string":
		switch s.Format {
		case "email":
			return "nobody@example.org"
		case "date-time":
			return "2030-01-01T00:00:00Z"
		}
		return strings.Repeat("x", max(s.MinLength, 1))
	}
	return "x"
}
