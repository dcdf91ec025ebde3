package demo

import "encoding/json"

// mustJSON renders what came out of JSON.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was JSON before
	}
	return text
}

func rawJSON(text []byte) json.RawMessage { return text }
