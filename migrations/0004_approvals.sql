-- +goose Up
-- Limits, and the operations that another person must approve.

-- Two thresholds of one operation in one currency, for a role or for one person,
-- whose own row stands in place of the role's. No row: no limit.
create table limits (
  merchant_id     uuid not null,
  id              uuid not null,
  role            text not null default '' check (role in ('', 'owner', 'admin', 'manager', 'cashier', 'developer', 'analyst')),
  user_id         uuid references users (id),
  action          text not null check (action in ('refund', 'void', 'payout')),
  currency        char(3) not null,
  per             text not null check (per in ('item', 'day')),
  step_up_minor   bigint check (step_up_minor >= 0),   -- above it both factors must be proven again; null: never
  approval_minor  bigint check (approval_minor >= 0),  -- above it another person must approve; null: never
  changed_at      timestamptz not null,
  changed_by      uuid not null references users (id),
  changed_by_name text not null,
  primary key (merchant_id, id),
  check ((role = '') = (user_id is not null)),
  check (step_up_minor is not null or approval_minor is not null)
);
create unique index limits_of_role on limits (merchant_id, action, currency, per, role) where user_id is null;
create unique index limits_of_user on limits (merchant_id, action, currency, per, user_id) where user_id is not null;

-- The id is the idempotency key of the operation, so that an approval is good
-- for one operation for ever.
create table approvals (
  merchant_id       uuid not null,
  id                uuid not null,
  action            text not null check (action in ('refund', 'void', 'payout')),
  payment_id        uuid,                    -- null: it changes no payment that exists
  payload           jsonb not null,          -- what was asked for, field by field
  currency          char(3) not null,
  amount_minor      bigint not null check (amount_minor > 0),
  status            text not null default 'waiting' check (status in ('waiting', 'approved', 'refused', 'withdrawn', 'expired')),
  requested_by      uuid not null references users (id),
  requested_by_name text not null,
  requested_at      timestamptz not null,
  expires_at        timestamptz not null,
  note              text not null,
  decided_by        uuid references users (id),  -- null: time did
  decided_by_name   text not null default '',
  decided_at        timestamptz,
  decision_note     text not null default '',
  transaction_id    uuid,
  primary key (merchant_id, id),
  foreign key (merchant_id, payment_id) references payments (merchant_id, id),
  check ((status = 'waiting') = (decided_at is null)),
  check ((status = 'approved') = (transaction_id is not null)),
  check (decided_by is distinct from requested_by or status = 'withdrawn')
);
create index approvals_waiting on approvals (merchant_id, requested_at, id) where status = 'waiting';
create index approvals_decided on approvals (merchant_id, decided_at desc, id desc) where status <> 'waiting';
create index approvals_of_payment on approvals (merchant_id, payment_id) where status = 'waiting';
create unique index approvals_of_transaction on approvals (merchant_id, transaction_id) where transaction_id is not null;

-- What one person did on one day, for the limits of a day.
create index transactions_of_person on transactions (merchant_id, created_by, type, created_at) where type in ('refund', 'void', 'payout');

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['limits', 'approvals']
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
grant select, insert, update, delete on limits to counterfoil_app;
grant select, insert, update on approvals to counterfoil_app;
