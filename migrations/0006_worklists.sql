-- +goose Up
-- The worklists: tips, holds that lapse, outcomes that are missing, and what risk checks left for a person.

-- What somebody must know in time. Nothing sends it yet: the overview and the list of holds show it.
create table alerts (
  merchant_id  uuid not null,
  id           uuid not null,
  kind         text not null check (kind in ('hold_lapses_3d', 'hold_lapses_1d')),
  payment_id   uuid not null,
  due_at       timestamptz not null,               -- when the hold lapses
  created_at   timestamptz not null,
  seen_at      timestamptz,
  seen_by_name text not null default '',
  primary key (merchant_id, id),
  unique (merchant_id, payment_id, kind),          -- once per hold and kind
  foreign key (merchant_id, payment_id) references payments (merchant_id, id)
);
create index alerts_to_see on alerts (merchant_id, due_at) where seen_at is null;

-- What one press on the tip worksheet asked for. A row's outcome is its transaction's, which its key leads to.
create table tip_sheets (
  merchant_id     uuid not null,
  id              uuid not null,
  created_by      uuid not null,
  created_by_name text not null,
  created_at      timestamptz not null,
  primary key (merchant_id, id)
);
create table tip_sheet_rows (
  merchant_id uuid not null,
  sheet_id    uuid not null,
  payment_id  uuid not null,
  currency    char(3) not null,
  tip_minor   bigint not null check (tip_minor >= 0),
  key         text not null,
  refused     text not null default '',            -- why it was not sent
  primary key (merchant_id, sheet_id, payment_id),
  foreign key (merchant_id, sheet_id) references tip_sheets (merchant_id, id),
  foreign key (merchant_id, payment_id) references payments (merchant_id, id)
);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['alerts', 'tip_sheets', 'tip_sheet_rows']
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
grant select, insert, update on alerts, tip_sheet_rows to counterfoil_app;
grant select, insert on tip_sheets to counterfoil_app;

-- The worksheet: a day's sales in the order of their receipts.
create index payments_receipts on payments (merchant_id, created_at, reference) where kind = 'sale' and status not in ('declined', 'not_charged', 'link_sent');
-- The radar: a hold of which nobody knows when it lapses comes last.
drop index payments_on_hold;
create index payments_on_hold on payments (merchant_id, (coalesce(expires_at, 'infinity'::timestamptz)), id) where authorised_minor > 0;
-- Its totals, and what they leave out.
create index payments_holds on payments (merchant_id, currency) where kind = 'preauth' and (authorised_minor > 0 or status in ('processing', 'unknown', 'needs_person'));
-- Operations without an end: what needs a person first, then the oldest.
drop index transactions_without_end;
create index transactions_without_end on transactions (merchant_id, (status <> 'needs_person'), created_at, id) where status in ('pending', 'processing', 'unknown', 'needs_person');
