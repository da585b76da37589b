// Package svidexmetrics shows a provider's health as metrics. It depends on the
// standard library alone: [Handler] answers a scrape of Prometheus, and whoever has
// OpenTelemetry registers what [Read] gives (names and units are by its conventions).
//
// Everything comes from Provider.Status, which never blocks, when it is asked for.
package svidexmetrics

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	svidex "github.com/svidex/svidex/bindings/go"
)

// Provider is a [svidex.Provider].
type Provider interface{ Status() svidex.Status }

// Metric is one of them, by its OpenTelemetry name; Prometheus has _ for the dots.
type Metric struct {
	Name, Unit, Description string
	// Counter is whether it only grows; else it is a gauge.
	Counter bool
	Samples []Sample
}

// Sample is one value of a metric.
type Sample struct {
	// Label and Of tell the samples of a metric apart: "outcome" is "success" or
	// "failure", "token" is "subject" or "access".
	Label, Of string
	Audience  string
	Value     float64
}

// Read gives the metrics of a program's providers. Those of one audience have their
// counts added, and of the rest the worst is shown: a series must not come twice.
func Read(statuses ...svidex.Status) []Metric {
	return []Metric{
		{
			"svidex.subject_token.fetches", "{fetch}", "Attempts to get a JWT-SVID that have ended.", true,
			together(statuses, sum, func(s svidex.Status) []Sample { return counts(s.Fetches, s.FetchFailures) }),
		},
		{
			"svidex.access_token.exchanges", "{exchange}", "Attempts to exchange that have ended.", true,
			together(statuses, sum, func(s svidex.Status) []Sample { return counts(s.Exchanges, s.ExchangeFailures) }),
		},
		{
			"svidex.token.remaining", "s", "What is left of the life of a token that is held.", false,
			together(statuses, lowest, func(s svidex.Status) []Sample {
				return held(s, func(t *svidex.TokenStatus) float64 { return t.ExpiresIn.Seconds() })
			}),
		},
		{
			"svidex.token.age", "s", "How long a token has been held.", false,
			together(statuses, highest, func(s svidex.Status) []Sample {
				return held(s, func(t *svidex.TokenStatus) float64 { return t.Age.Seconds() })
			}),
		},
		{
			"svidex.token.held", "{token}", "1 while an unexpired token is held, else 0.", false,
			together(statuses, lowest, func(s svidex.Status) []Sample {
				return []Sample{
					{Label: "token", Of: "subject", Value: float64(len(present(s.SubjectToken)))},
					{Label: "token", Of: "access", Value: float64(len(present(s.AccessToken)))},
				}
			}),
		},
	}
}

func sum(a, b float64) float64     { return a + b }
func lowest(a, b float64) float64  { return min(a, b) }
func highest(a, b float64) float64 { return max(a, b) }

// together reads a metric of all; of gives the value of two samples of one series.
func together(
	statuses []svidex.Status, of func(a, b float64) float64, read func(svidex.Status) []Sample,
) []Sample {
	var all []Sample
	for _, status := range statuses {
		for _, sample := range read(status) {
			sample.Audience = status.Audience
			same := slices.IndexFunc(all, func(other Sample) bool {
				other.Value = sample.Value
				return other == sample
			})
			if same < 0 {
				all = append(all, sample)
			} else {
				all[same].Value = of(all[same].Value, sample.Value)
			}
		}
	}
	return all
}

// Handler answers with the metrics in Prometheus's text format. All providers of a
// program go into one: they are told apart by the label audience.
func Handler(providers ...Provider) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		statuses := make([]svidex.Status, len(providers))
		for i, provider := range providers {
			statuses[i] = provider.Status()
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write([]byte(exposition(statuses)))
	})
}

func exposition(statuses []svidex.Status) string {
	var text strings.Builder
	for _, metric := range Read(statuses...) {
		name, kind := strings.ReplaceAll(metric.Name, ".", "_"), "gauge"
		if metric.Unit == "s" {
			name += "_seconds"
		}
		if metric.Counter {
			name, kind = name+"_total", "counter"
		}
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n", name, metric.Description, name, kind)
		for _, sample := range metric.Samples {
			value := strconv.FormatFloat(sample.Value, 'f', -1, 64)
			fmt.Fprintf(&text, "%s{%s=%q,audience=%q} %s\n", name, sample.Label, sample.Of, sample.Audience, value)
		}
	}
	return text.String()
}

func counts(ended, failed uint64) []Sample {
	return []Sample{
		{Label: "outcome", Of: "success", Value: float64(ended - failed)},
		{Label: "outcome", Of: "failure", Value: float64(failed)},
	}
}

func held(status svidex.Status, of func(*svidex.TokenStatus) float64) []Sample {
	var samples []Sample
	for _, token := range present(status.SubjectToken) {
		samples = append(samples, Sample{Label: "token", Of: "subject", Value: of(token)})
	}
	for _, token := range present(status.AccessToken) {
		samples = append(samples, Sample{Label: "token", Of: "access", Value: of(token)})
	}
	return samples
}

// present is none or one.
func present(token *svidex.TokenStatus) []*svidex.TokenStatus {
	if token == nil {
		return nil
	}
	return []*svidex.TokenStatus{token}
}
