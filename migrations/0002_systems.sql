-- +goose Up
-- All five systems: credentials that rotate, callbacks, and transactions that
-- a provider tells of by itself.

alter table connections
  add column removed_at  timestamptz,   -- kept for the payments that name it
  add column tested_at   timestamptz,   -- the last test, and what the provider said
  add column test_ok     boolean not null default false,
  add column test_said   text not null default '',
  add column test_meaning text not null default '',
  add column next_confirmed_at timestamptz; -- the credentials in slot next were confirmed, and may be switched to

-- A new key stands beside the old one until it is confirmed and switched to;
-- the one before it still proves callbacks until it is retired.
alter table connection_secrets
  add column slot text not null default 'current' check (slot in ('current', 'next', 'previous'));
alter table connection_secrets drop constraint connection_secrets_pkey;
alter table connection_secrets add primary key (merchant_id, connection_id, slot, field);
grant delete on connection_secrets to counterfoil_app;

-- A provider's own call, verified, without what may not be kept. It is
-- committed before it is acknowledged.
create table callbacks (
  merchant_id    uuid not null,
  id             uuid not null,
  connection_id  uuid not null,
  body_hash      bytea not null,          -- SHA-256 of the raw body
  body           text not null,           -- as CleanCallback leaves it
  received_at    timestamptz not null,
  last_at        timestamptz not null,
  times          integer not null default 1,
  status         text not null default 'received' check (status in ('received', 'applied', 'nothing_new', 'quarantined', 'dealt_with')),
  why            text not null default '',
  transaction_id uuid,
  handled_at     timestamptz,
  dealt_by       text not null default '',  -- who dealt with what was quarantined, when and how
  dealt_at       timestamptz,
  note           text not null default '',
  primary key (merchant_id, id),
  unique (merchant_id, connection_id, body_hash),
  foreign key (merchant_id, connection_id) references connections (merchant_id, id)
);
create index callbacks_newest on callbacks (merchant_id, connection_id, id desc);
create index callbacks_unhandled on callbacks (merchant_id, received_at) where status = 'received';
create index callbacks_quarantined on callbacks (merchant_id, connection_id) where status = 'quarantined';

alter table cards add column token_hash bytea; -- SHA-256 of the token, which is random: how a provider's update finds its card
create index cards_by_token on cards (merchant_id, connection_id, token_hash);
grant update on cards to counterfoil_app;

alter table transactions drop constraint transactions_type_check;
alter table transactions add constraint transactions_type_check check (type in ('sale', 'preauth', 'increment', 'decrement', 'capture', 'void', 'refund',
  'tip_adjustment', 'payout', 'register', 'deregister', 'chargeback', 'chargeback_reversal', 'adjustment'));
alter table transactions drop constraint transactions_amount_minor_check;
alter table transactions add constraint transactions_amount_minor_check check (
  amount_minor > 0 or type = 'adjustment' and amount_minor <> 0 or type in ('register', 'deregister', 'tip_adjustment') and amount_minor >= 0);
alter table transactions alter column created_by drop not null; -- null: the provider told of it
alter table transactions add column schedule_ref text not null default '', add column device_ref text not null default '';

alter table payments drop constraint payments_status_check;
alter table payments add constraint payments_status_check check (status in ('processing', 'unknown', 'needs_person', 'approved', 'part_refunded', 'refunded',
  'declined', 'not_charged', 'authorised', 'voided', 'disputed'));
alter table payments drop constraint payments_method_check;
alter table payments add constraint payments_method_check check (method in ('frame', 'page', 'card', 'terminal', 'schedule', 'provider'));
alter table payments alter column created_by drop not null;
alter table payments add column charged_back_minor bigint not null default 0 check (charged_back_minor >= 0);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['callbacks']
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format($p$create policy tenant on %I
      using (merchant_id = nullif(current_setting('app.merchant_id', true), '')::uuid)
      with check (merchant_id = nullif(current_setting('app.merchant_id', true), '')::uuid)$p$, t);
  end loop;
end
$$;
-- +goose StatementEnd
grant select, insert, update on callbacks to counterfoil_app;

-- A connection is removed only when nothing of it is open.
create index transactions_unsettled on transactions (merchant_id, connection_id) where status in ('pending', 'processing', 'unknown', 'needs_person');

-- Where a callback belongs to: its address names a connection only.
insert into directory (kind, key_hash, merchant_id)
  select 'connection', sha256(id::text::bytea), merchant_id from connections on conflict do nothing;
