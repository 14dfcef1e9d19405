-- +goose Up
-- Every money action: holds, tips, payouts, stored cards and links beside the sale and its refunds.

alter table payments
  -- what began it: the type of its first transaction
  add column kind             text not null default 'sale' check (kind in ('sale', 'preauth', 'payout', 'register')),
  add column authorised_minor bigint not null default 0 check (authorised_minor >= 0), -- held on the card and not taken
  add column tip_minor        bigint not null default 0 check (tip_minor >= 0),        -- the part of captured_minor that is a tip
  add column expires_at       timestamptz, -- when the hold lapses, or the link ends
  add column batch_closed_at  timestamptz, -- the batch that it belongs to was closed; null: it is open, or none is known
  -- the provider's risk check wants a person to look
  add column review           text not null default '' check (review in ('', 'waiting', 'cleared')),
  add column reviewed_by_name text not null default '',
  add column reviewed_at      timestamptz,
  add column review_note      text not null default '';
update payments p set kind = t.type from transactions t
  where t.merchant_id = p.merchant_id and t.payment_id = p.id and t.type in ('preauth', 'payout', 'register');
update payments set status = 'captured' where kind = 'preauth' and status = 'approved' and captured_minor > 0;
alter table payments drop constraint payments_amount_minor_check;
alter table payments add constraint payments_amount_minor_check check (amount_minor > 0 or kind = 'register' and amount_minor = 0);
alter table payments drop constraint payments_status_check;
alter table payments add constraint payments_status_check check (status in ('processing', 'unknown', 'needs_person', 'approved', 'part_refunded', 'refunded',
  'declined', 'not_charged', 'authorised', 'captured', 'link_sent', 'voided', 'disputed'));
alter table payments drop constraint payments_method_check;
alter table payments add constraint payments_method_check check (method in ('frame', 'page', 'card', 'terminal', 'schedule', 'provider', 'link'));

alter table transactions
  add column tip_minor  bigint not null default 0 check (tip_minor >= 0), -- the part of the amount that is a tip
  add column final      boolean not null default false, -- a capture that gives the rest of the hold back
  add column expires_at timestamptz,                    -- when a hold lapses, or a link ends
  add column cancel_ref text not null default '',       -- what ends a link at its provider
  add column said       jsonb;                          -- the provider's last answer, field by field, to be held against ours

-- The radar: every hold, the one that lapses first at the top.
create index payments_on_hold on payments (merchant_id, expires_at, id) where authorised_minor > 0;
-- The queue of the risk checks.
create index payments_to_review on payments (merchant_id, created_at desc, id desc) where review = 'waiting';
-- Operations without an end, the oldest first.
create index transactions_without_end on transactions (merchant_id, created_at, id) where status in ('pending', 'processing', 'unknown', 'needs_person');
-- A second sale like one of a moment ago.
create index payments_alike on payments (merchant_id, currency, amount_minor, lower(order_reference), created_at desc);
