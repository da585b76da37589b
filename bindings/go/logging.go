package svidex

// #include "bridge.h"
import "C"

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/cgo"
	"sync/atomic"
	"time"
)

// event is what happened in the background, as a logger is told.
type event struct {
	level   slog.Level
	kind    string
	message string
	at      time.Time
	failure *Error // nil if nothing failed.
	dropped uint64 // By the native library, right before this one.
}

// eventLog takes events from native threads to a logger. A handler may take its
// time, or ask the provider for a token, and native threads must not wait: so
// there is a goroutine in between, and if it falls behind, events are dropped
// and counted.
type eventLog struct {
	logger  *slog.Logger
	events  chan event
	dropped atomic.Uint64
}

// backlog is how many events wait for a slow handler. A provider in trouble has
// a few in a minute.
const backlog = 64

func newEventLog(logger *slog.Logger) *eventLog {
	return &eventLog{logger: logger, events: make(chan event, backlog)}
}

// observe starts to send the provider's events to logger. The goroutine ends
// when the native library lets go of the log: after Close, or when the provider
// is freed.
func observe(provider *C.svidex_provider, logger *slog.Logger) error {
	log := newEventLog(logger)
	handle := cgo.NewHandle(log)
	var failure *C.svidex_error
	if result := C.svidex_go_observe(provider, C.uintptr_t(handle), &failure); result != C.SVIDEX_RESULT_OK {
		handle.Delete()
		return takeError(result, failure)
	}
	go log.run()
	return nil
}

// svidexGoEvent is called for each event, on native threads, one at a time.
//
//export svidexGoEvent
func svidexGoEvent(handle C.uintptr_t, native *C.svidex_event) {
	cgo.Handle(handle).Value().(*eventLog).put(readEvent(native))
}

// svidexGoRelease is called once, after the last event.
//
//export svidexGoRelease
func svidexGoRelease(handle C.uintptr_t) {
	log := cgo.Handle(handle).Value().(*eventLog)
	cgo.Handle(handle).Delete()
	close(log.events)
}

func readEvent(native *C.svidex_event) event {
	e := event{
		level:   slogLevel(C.svidex_event_level(native)),
		kind:    C.GoString(C.svidex_event_kind(native)),
		message: C.GoString(C.svidex_event_message(native)),
		at:      time.UnixMilli(int64(C.svidex_event_at_unix_ms(native))),
		dropped: uint64(C.svidex_event_dropped_before(native)),
	}
	if failure := C.svidex_event_error(native); failure != nil {
		kind := Kind(C.GoString(C.svidex_result_name(C.svidex_error_result(failure))))
		e.failure = readError(kind, failure)
	}
	return e
}

// slogLevel also places levels that a later library may put in between.
func slogLevel(level C.svidex_level) slog.Level {
	switch {
	case level >= C.SVIDEX_LEVEL_ERROR:
		return slog.LevelError
	case level >= C.SVIDEX_LEVEL_WARNING:
		return slog.LevelWarn
	case level >= C.SVIDEX_LEVEL_INFO:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

// put never waits.
func (l *eventLog) put(e event) {
	l.dropped.Add(e.dropped)
	select {
	case l.events <- e:
	default:
		l.dropped.Add(1)
	}
}

func (l *eventLog) run() {
	for e := range l.events {
		l.write(e)
	}
}

func (l *eventLog) write(e event) {
	ctx, handler := context.Background(), l.logger.Handler()
	if !handler.Enabled(ctx, e.level) {
		return
	}
	// A record of our own, for it has the time of the event.
	var caller [1]uintptr
	runtime.Callers(1, caller[:])
	record := slog.NewRecord(e.at, e.level, "svidex: "+e.message, caller[0])
	record.AddAttrs(slog.String("kind", e.kind))
	if e.failure != nil {
		record.AddAttrs(slog.String("error_kind", string(e.failure.Kind)))
		if e.failure.HTTPStatus != 0 {
			record.AddAttrs(slog.Int("http_status", e.failure.HTTPStatus))
		}
		if e.failure.OAuthCode != "" {
			record.AddAttrs(slog.String("oauth_code", e.failure.OAuthCode))
		}
	}
	if dropped := l.dropped.Swap(0); dropped != 0 {
		record.AddAttrs(slog.Uint64("dropped", dropped))
	}
	_ = handler.Handle(ctx, record) // As slog itself: there is nobody to tell.
}
