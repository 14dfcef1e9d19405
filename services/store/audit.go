package store

import (
	"context"
	"fmt"
)

// AuditBreak is the first row of a chain that is not as it was written.
type AuditBreak struct {
	Seq int64
	Why string
}

// VerifyAudit walks the merchant's chain and names the first row that was
// edited, removed or put in another order; nil when it is whole. That the tail
// was cut, or written anew with hashes that fit, is seen against the head, which
// the application cannot write; then only the last row can be named.
func (t *Tx) VerifyAudit(ctx context.Context) (*AuditBreak, int64, error) {
	// A chain without rows is judged by a head that is older than the walk:
	// nothing that is written meanwhile can be missing from it.
	var head int64
	if err := t.q.QueryRowxContext(ctx, `select coalesce(max(seq), 0) from audit_heads where merchant_id = $1`, t.m).Scan(&head); err != nil {
		return nil, 0, dbError("verify audit", err)
	}
	// Head and rows in one statement, hence of one moment: the chain grows while
	// it is walked.
	rows, err := t.q.QueryContext(ctx, `select a.seq, a.hash = audit_hash(a) as whole,
			a.prev_hash = coalesce(lag(a.hash) over (order by a.seq), ''::bytea) as linked,
			a.seq = coalesce(lag(a.seq) over (order by a.seq), 0) + 1 as next,
			coalesce((select h.seq from audit_heads h where h.merchant_id = $1), 0) as head,
			coalesce(a.hash = (select h.hash from audit_heads h where h.merchant_id = $1), false) as named
		from audit_log a where a.merchant_id = $1 order by a.seq`, t.m)
	if err != nil {
		return nil, 0, dbError("verify audit", err)
	}
	defer rows.Close()
	var n int64
	named := true // that the head's hash is the one of row n
	for rows.Next() {
		var whole, linked, next bool
		var seq int64
		if err := rows.Scan(&seq, &whole, &linked, &next, &head, &named); err != nil {
			return nil, n, dbError("verify audit", err)
		}
		switch {
		case !next:
			return &AuditBreak{Seq: n + 1, Why: "missing"}, n, nil
		case !whole:
			return &AuditBreak{Seq: seq, Why: "changed"}, n, nil
		case !linked:
			return &AuditBreak{Seq: seq, Why: "does not follow the row before it"}, n, nil
		}
		n = seq
	}
	if err := rows.Err(); err != nil {
		return nil, n, dbError("verify audit", err)
	}
	switch {
	case head > n:
		return &AuditBreak{Seq: n + 1, Why: fmt.Sprintf("missing: the head stands at %d", head)}, n, nil
	case head < n:
		return &AuditBreak{Seq: head + 1, Why: fmt.Sprintf("was not written by the product: the head stands at %d", head)}, n, nil
	case !named:
		return &AuditBreak{Seq: n, Why: "is not what the head names: it, or rows before it too, were written anew"}, n, nil
	}
	return nil, n, nil
}
