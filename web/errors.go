package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/counterfoil/counterfoil/services/domain"
)

// statuses is the one table from error codes to HTTP statuses.
var statuses = map[domain.Code]int{
	domain.Invalid:      http.StatusUnprocessableEntity,
	domain.Unauthorized: http.StatusUnauthorized,
	domain.Forbidden:    http.StatusForbidden,
	domain.NotFound:     http.StatusNotFound,
	domain.Conflict:     http.StatusConflict,
	domain.Duplicate:    http.StatusConflict,
	domain.TooMany:      http.StatusTooManyRequests,
	domain.Unavailable:  http.StatusServiceUnavailable,
	domain.Internal:     http.StatusInternalServerError,

	domain.NeedsStepUp:   http.StatusForbidden,
	domain.NeedsApproval: http.StatusConflict,
}

// StatusOf is the HTTP status of an error code; 500 for one that it does not
// know, 200 for "".
func StatusOf(code domain.Code) int {
	if code == "" {
		return http.StatusOK
	}
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// sorted gives an error's status and the error whose words may be shown.
func sorted(err error) (int, error) {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status, err
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge, domain.Wrap(err, domain.Invalid, "What was sent is too large.")
	}
	var e *domain.Error
	if errors.As(err, &e) {
		return StatusOf(e.Code), err
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		switch he.Code {
		case http.StatusNotFound:
			return he.Code, domain.Wrap(err, domain.NotFound, "There is no page at this address.")
		case http.StatusMethodNotAllowed:
			return he.Code, domain.Wrap(err, domain.Invalid, "This address does not answer that kind of request.")
		}
		if he.Code < 500 {
			return he.Code, domain.Wrap(err, domain.Invalid, "The request cannot be read.")
		}
	}
	return http.StatusInternalServerError, err
}

// handleError answers an error once. What is ours to mend is logged whole, with
// the request's id; the page shows only what a person may read.
func (s *Server) handleError(err error, c echo.Context) {
	status, err := sorted(err)
	level := slog.LevelDebug
	// The browser went away and nobody reads the answer. What a driver makes of a
	// query that was cut off need not say so itself.
	gone := errors.Is(err, context.Canceled) || errors.Is(c.Request().Context().Err(), context.Canceled)
	switch {
	case gone:
	case status >= 500:
		level = slog.LevelError
	case status == http.StatusForbidden:
		level = slog.LevelWarn
	}
	s.opt.Log.LogAttrs(c.Request().Context(), level, "request failed",
		slog.String("request_id", RequestID(c)), slog.Int("status", status), slog.String("error", err.Error()))
	if c.Response().Committed {
		return
	}
	if gone {
		_ = c.NoContent(status)
		return
	}
	if perr := s.opt.ErrorPage(c, status, err); perr != nil {
		s.opt.Log.LogAttrs(c.Request().Context(), slog.LevelError, "error page failed",
			slog.String("request_id", RequestID(c)), slog.String("error", perr.Error()))
		if !c.Response().Committed {
			_ = c.String(status, domain.MessageOf(err)+" (request "+RequestID(c)+")\n")
		}
	}
}
