// Package migrations embeds the goose SQL files. They go forward only, and the
// role that applies them is never the role that the product works as.
package migrations

import "embed"

// FS holds the SQL files in the order of their numbers.
//
//go:embed *.sql
var FS embed.FS
