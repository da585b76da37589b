// Package serve puts one framework at the disposal of run.py: see judge.py for what
// it is asked.
package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
)

type said struct {
	Answer  string `json:"answer"`
	Error   string `json:"error,omitempty"`
	Ours    bool   `json:"ours"`
	Message string `json:"message"`
}

// Ask asks a model who we are.
type Ask func(ctx context.Context) (string, error)

// Rows serves the row that the program's argument names.
func Rows(rows map[string]func() (Ask, error)) {
	var current Ask
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var answer string
		var err error
		word, count, _ := strings.Cut(lines.Text(), " ")
		times, _ := strconv.Atoi(count)
		if word == "begin" {
			current, err = rows[os.Args[1]]()
		} else {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			for range max(times, 1) {
				if answer, err = current(ctx); err != nil {
					break
				}
			}
			cancel()
		}
		text, _ := json.Marshal(describe(answer, err))
		fmt.Println(string(text))
	}
}

func describe(answer string, err error) any {
	if err == nil {
		return map[string]string{"answer": answer}
	}
	var ours *svidex.Error
	message := err.Error()
	return said{Error: reflect.TypeOf(err).String(), Ours: errors.As(err, &ours), Message: message[:min(len(message), 500)]}
}
