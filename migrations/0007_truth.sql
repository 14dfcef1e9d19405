-- +goose Up
-- What became of an operation, when not the provider's first word decided it: an earlier "no" that was overturned, and
-- what a person wrote down.

alter table transactions
  add column before_status text not null default '' check (before_status in ('', 'declined', 'failed')),
  add column before_reason text not null default '',
  add column before_at     timestamptz, -- when that "no" was written down
  add column hand_status   text not null default '' check (hand_status in ('', 'approved', 'failed')),
  add column hand_by_name  text not null default '',
  add column hand_at       timestamptz,
  add column hand_note     text not null default '';

-- What waits for a person is asked about once a day.
create index transactions_for_a_person on transactions (merchant_id, next_ask_at) where status = 'needs_person';
