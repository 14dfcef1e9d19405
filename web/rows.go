package web

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// Row is one row of a form that has many: its name and its fields.
type Row struct {
	Name   string
	Values Values
}

// RowForm says what a form with rows may carry. A row's fields are named
// "field.name": "tip.7K2M04Q9".
type RowForm struct {
	Fields []string // of the form itself
	Row    []string // of each row
	Max    int      // how many rows there may be
	// Long are fields of the form whose values may have this many characters
	// instead of MaxValue.
	Long map[string]int
}

// maxRowName is the most characters of a row's name.
const maxRowName = 40

// FormRows reads a posted form with rows, which come in the order of their
// names. What Form refuses, it refuses too; so it does a row's name that is not
// made of letters, digits, dashes and underscores, and more rows than there may
// be.
func FormRows(c echo.Context, f RowForm) (Values, []Row, error) {
	if err := parseForm(c); err != nil {
		return nil, nil, err
	}
	out, rows := Values{}, map[string]Values{}
	for name, values := range c.Request().PostForm {
		if len(values) != 1 {
			return nil, nil, BadRequest("The form gave a field more than once. Nothing was done.")
		}
		most := MaxValue
		if n := f.Long[name]; n > 0 {
			most = n
		}
		if !IsText(values[0]) || utf8.RuneCountInString(values[0]) > most {
			return nil, nil, BadRequest("The form had a value that is too long or cannot be read. Nothing was done.")
		}
		field, row, isRow := strings.Cut(name, ".")
		switch {
		case !isRow && (name == FieldCSRF || name == FieldKey || slices.Contains(f.Fields, name)):
			out[name] = values[0]
		case isRow && slices.Contains(f.Row, field) && isRowName(row):
			if rows[row] == nil {
				rows[row] = Values{}
			}
			rows[row][field] = values[0]
		default:
			return nil, nil, BadRequest("The form had a field that does not belong to it. Nothing was done.")
		}
	}
	if len(rows) > f.Max {
		return nil, nil, BadRequest("The form had too many rows. Nothing was done.")
	}
	list := make([]Row, 0, len(rows))
	for name, values := range rows {
		list = append(list, Row{name, values})
	}
	slices.SortFunc(list, func(a, b Row) int { return strings.Compare(a.Name, b.Name) })
	return out, list, nil
}

func isRowName(s string) bool {
	return s != "" && len(s) <= maxRowName && strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_") == ""
}
