package store

import "database/sql"

// collect reads all rows of a query, each with scan, and closes them. err is
// the query's own.
func collect[T any](op string, rows *sql.Rows, err error, scan func() (T, error)) ([]T, error) {
	if err != nil {
		return nil, dbError(op, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		one, err := scan()
		if err != nil {
			return nil, dbError(op, err)
		}
		out = append(out, one)
	}
	return out, dbError(op, rows.Err())
}
