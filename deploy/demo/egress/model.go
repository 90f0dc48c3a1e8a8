package main

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"
)

const longestQuestion = 64 << 10

// newModel is a server as providers of models have them, without a model. What
// it says has nothing of the key in it.
func newModel(key func() (string, error)) http.Handler {
	model := http.NewServeMux()
	model.HandleFunc("POST /v1/completions", func(writer http.ResponseWriter, request *http.Request) {
		wanted, err := key()
		if err != nil {
			log.Printf("no key: %v", err)
			say(writer, http.StatusInternalServerError, "error", "out of order")
			return
		}
		shown := request.Header.Get("Authorization")
		if subtle.ConstantTimeCompare([]byte(shown), []byte("Bearer "+wanted)) != 1 {
			say(writer, http.StatusUnauthorized, "error", "no answer without the key")
			return
		}
		var asked struct{ Prompt string }
		if err := json.NewDecoder(http.MaxBytesReader(writer, request.Body, longestQuestion)).Decode(&asked); err != nil {
			say(writer, http.StatusBadRequest, "error", "write it as {\"prompt\": \"...\"}")
			return
		}
		count := len(strings.Fields(asked.Prompt))
		say(writer, http.StatusOK, "completion", fmt.Sprintf("you asked in %d words; carry on", count))
	})
	return model
}

func say(writer http.ResponseWriter, status int, word, text string) {
	log.Printf("%d %s", status, text)
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(status)
	// Whoever went away needs no answer.
	_ = json.NewEncoder(writer).Encode(map[string]string{word: text})
}
