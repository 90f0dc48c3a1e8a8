package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestTheModelAnswersWhoHasTheKey(t *testing.T) {
	model := newModel(func() (string, error) { return "secret-key", nil })
	for _, each := range []struct {
		authorization, question string
		status                  int
		says                    string
	}{
		{"", `{"prompt": "a b"}`, http.StatusUnauthorized, "no answer without the key"},
		{"Bearer", `{"prompt": "a b"}`, http.StatusUnauthorized, "no answer without the key"},
		{"Bearer secret-ke", `{"prompt": "a b"}`, http.StatusUnauthorized, "no answer without the key"},
		{"Bearer secret-key", `{"prompt": "a b"}`, http.StatusOK, `{"completion":"you asked in 2 words; carry on"}`},
		{"Bearer secret-key", `a b`, http.StatusBadRequest, "write it as"},
	} {
		request := httptest.NewRequest(http.MethodPost, "/v1/completions", strings.NewReader(each.question))
		if each.authorization != "" {
			request.Header.Set("Authorization", each.authorization)
		}
		answer := httptest.NewRecorder()
		model.ServeHTTP(answer, request)
		if answer.Code != each.status || !strings.Contains(answer.Body.String(), each.says) {
			t.Errorf("%q: %d %s", each.authorization, answer.Code, answer.Body)
		}
		if strings.Contains(answer.Body.String(), "secret") {
			t.Errorf("the answer has the key: %s", answer.Body)
		}
	}
}
