package payments

import (
	"fmt"
	"strings"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
)

// PasteRow is a row of the worksheet to somebody who pastes into it.
type PasteRow struct {
	Reference string
	Currency  money.Currency
	Denied    string // why its tip cannot be set; empty: it can
}

// PasteProblem is one line of what was pasted that was not taken, with its
// number as a spreadsheet counts.
type PasteProblem struct {
	Line int
	Text string
}

// maxPaste is the most lines that are looked at.
const maxPaste = 2 * domain.MaxTips

// ReadTips reads what was copied from a spreadsheet: either two columns,
// reference and tip, or one column of tips that goes down the rows that have a
// field, from row number from (0 is the first of them). Columns are parted by a
// tab, a semicolon, or a comma behind a reference. An amount is read exactly: a
// comma in it is a problem and never a guess. An empty tip leaves its row as it
// is. A first line without a digit in its last column is a heading. tips holds
// by reference what can be taken, and problems one sentence per line that
// cannot; a reference that comes twice is not taken at all. It is pure.
func ReadTips(text string, rows []PasteRow, from int) (tips map[string]money.Amount, problems []PasteProblem) {
	tips = map[string]money.Amount{}
	byRef := make(map[string]PasteRow, len(rows))
	var fields []PasteRow
	for _, r := range rows {
		byRef[r.Reference] = r
		if r.Denied == "" {
			fields = append(fields, r)
		}
	}
	problem := func(line int, format string, args ...any) {
		problems = append(problems, PasteProblem{line, fmt.Sprintf(format, args...)})
	}
	lines := pastedLines(text)
	if len(lines) > maxPaste {
		return tips, []PasteProblem{{maxPaste + 1, fmt.Sprintf("At most %d lines can be pasted at once.", maxPaste)}}
	}
	cells := make([][]string, len(lines))
	two := false
	for i, line := range lines {
		all := pastedCells(line)
		cells[i] = withoutTail(all)
		two = two || len(all) > 1
		if len(all) == 1 {
			ref, _ := domain.CanonicalReference(all[0])
			_, known := byRef[ref]
			two = two || known
		}
	}
	first := 0
	if len(lines) > 1 && heading(cells[0]) {
		first = 1
	}
	seen := map[string]int{}
	at := max(from, 0)
	for i := first; i < len(lines); i++ {
		c, n := cells[i], i+1
		if !two {
			row := at
			at++
			switch {
			case len(c) == 0:
			case row >= len(fields):
				problem(n, "There is no row left for this tip.")
			default:
				if a, err := pastedAmount(c[0], fields[row].Currency); err != nil {
					problem(n, "%s", err.Error())
				} else {
					tips[fields[row].Reference] = a
				}
			}
			continue
		}
		if len(c) == 0 {
			continue
		}
		ref, ok := domain.CanonicalReference(c[0])
		row, known := byRef[ref]
		switch {
		case !ok, !known:
			problem(n, "There is no sale %s on this page of the worksheet.", quoted(c[0]))
		case len(c) == 1:
			// A reference alone: nobody typed a tip behind it.
		case len(c) > 2:
			problem(n, "This line has %d columns. Copy two: the reference and the tip.", len(c))
		case seen[ref] > 0:
			problem(n, "%s stands in line %d already. Neither was taken.", ref, seen[ref])
			delete(tips, ref)
		case row.Denied != "":
			problem(n, "The tip of %s cannot be set. %s", ref, row.Denied)
		default:
			seen[ref] = n
			if a, err := pastedAmount(c[1], row.Currency); err != nil {
				problem(n, "%s: %s", ref, err.Error())
			} else {
				tips[ref] = a
			}
		}
	}
	return tips, problems
}

// pastedLines gives the lines without the empty ones at the end.
func pastedLines(text string) []string {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// pastedCells parts a line. A comma parts only behind what can be a reference:
// elsewhere it may belong to an amount.
func pastedCells(line string) []string {
	var cells []string
	switch before, after, found := strings.Cut(line, ","); {
	case strings.Contains(line, "\t"):
		cells = strings.Split(line, "\t")
	case strings.Contains(line, ";"):
		cells = strings.Split(line, ";")
	case found && isReference(cell(before)):
		cells = []string{before, after}
	default:
		cells = []string{line}
	}
	for i := range cells {
		cells[i] = cell(cells[i])
	}
	return cells
}

// withoutTail drops the empty cells at a line's end.
func withoutTail(cells []string) []string {
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}

// cell is a cell's text without the quotes that a spreadsheet may put round it.
func cell(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	return s
}

func isReference(s string) bool {
	_, ok := domain.CanonicalReference(s)
	return ok
}

func heading(c []string) bool {
	return len(c) > 0 && !strings.ContainsAny(c[len(c)-1], "0123456789") && !isReference(c[0])
}

// pastedAmount reads an amount that may carry its own currency's sign or code.
func pastedAmount(s string, cur money.Currency) (money.Amount, error) {
	for _, sign := range []string{cur.Symbol(), cur.Code()} {
		if rest, ok := strings.CutPrefix(s, sign); ok {
			s = strings.TrimSpace(rest)
			break
		}
		if rest, ok := strings.CutSuffix(s, sign); ok {
			s = strings.TrimSpace(rest)
			break
		}
	}
	return money.ParseMajor(s, cur)
}

// quoted repeats a cell, shortened.
func quoted(s string) string {
	if r := []rune(s); len(r) > 20 {
		s = string(r[:20]) + "…"
	}
	return "“" + s + "”"
}
