-- +goose Up
-- Terminals: the fleet as the providers list it, what is known of each, what was sent to it, and payments on it.

create table locations (
  merchant_id uuid not null,
  id          uuid not null,
  name        text not null check (name <> ''),
  created_at  timestamptz not null,
  primary key (merchant_id, id),
  unique (merchant_id, name)
);

create table devices (
  merchant_id      uuid not null,
  id               uuid not null,
  connection_id    uuid not null,
  ref              text not null default '',     -- the provider's own id, where it has one
  serial           text not null,
  type             text not null,                -- the provider's word for the model
  account          text not null default '',     -- the account that it belongs to, as the provider names it
  virtual          boolean not null default false,
  provider_name    text not null default '',
  provider_place   text not null default '',
  name             text not null default '',     -- the merchant's own name for it
  location_id      uuid,
  state            text not null default 'unchecked' check (state in ('unchecked', 'online', 'busy', 'attention', 'offline', 'removed')),
  state_at         timestamptz not null,         -- since when
  reach            text not null default '' check (reach in ('', 'online', 'busy', 'offline')),
  code             text not null default '',     -- the provider's code of its last answer about it
  said             text not null default '',
  first_listed_at  timestamptz not null,
  listed_at        timestamptz not null,
  removed_at       timestamptz,                  -- since when its provider lists it no more
  seen_at          timestamptz,                  -- the last sign of life
  checked_at       timestamptz,                  -- when it was last asked
  check_at         timestamptz,                  -- when it is asked next; null: not by itself
  battery          smallint check (battery between 0 and 100),
  charging         text not null default '' check (charging in ('', 'yes', 'no')),
  power            text not null default '',
  app_name         text not null default '',
  app_version      text not null default '',
  reported_at      timestamptz,
  running_id       uuid,                         -- the transaction that was sent to it and has no end
  running_payment  uuid,
  last_payment     uuid,
  last_type        text not null default '',
  last_status      text not null default '',
  last_currency    char(3),
  last_minor       bigint,
  last_at          timestamptz,
  recovered        integer not null default 0,   -- results that it delivered late, from its own memory
  recovered_at     timestamptz,
  primary key (merchant_id, id),
  unique (merchant_id, connection_id, serial, type),
  foreign key (merchant_id, connection_id) references connections (merchant_id, id),
  foreign key (merchant_id, location_id) references locations (merchant_id, id)
);
-- The wall, whole and by state, place or connection: each in the order of the names.
create index devices_wall on devices (merchant_id, (lower(case when name <> '' then name when provider_name <> '' then provider_name else type || ' ' || serial end)), id);
create index devices_by_state on devices (merchant_id, state, (lower(case when name <> '' then name when provider_name <> '' then provider_name else type || ' ' || serial end)), id);
create index devices_by_place on devices (merchant_id, location_id, (lower(case when name <> '' then name when provider_name <> '' then provider_name else type || ' ' || serial end)), id);
-- The last digits of a serial number, from the end.
create index devices_by_serial_end on devices (merchant_id, reverse(serial) text_pattern_ops);
create index devices_to_check on devices (merchant_id, check_at) where check_at is not null;

-- What was sent to a terminal and is no payment. One press for several terminals is one sheet.
create table device_commands (
  merchant_id     uuid not null,
  id              uuid not null,
  sheet_id        uuid not null,
  device_id       uuid not null,
  name            text not null,                 -- domain.DeviceCommandName
  on_value        boolean not null default false,
  text_value      text not null default '',
  low             integer not null default 0,
  high            integer not null default 0,
  payment_id      uuid,                          -- whose receipt is printed, or which payment is stopped
  status          text not null check (status in ('queued', 'sending', 'sent', 'confirmed', 'unconfirmed', 'refused', 'unknown')),
  code            text not null default '',
  said            text not null default '',
  why             text not null default '',      -- a sentence of ours
  result_ref      text not null default '',      -- what its result is asked by
  created_by      uuid,
  created_by_name text not null default '',
  created_at      timestamptz not null,
  sent_at         timestamptz,
  ended_at        timestamptz,
  primary key (merchant_id, id),
  foreign key (merchant_id, device_id) references devices (merchant_id, id)
);
create index device_commands_of on device_commands (merchant_id, device_id, created_at desc, id desc);
create index device_commands_sheet on device_commands (merchant_id, sheet_id, id);
create index device_commands_open on device_commands (merchant_id, created_at) where status in ('queued', 'sending', 'sent');

-- A payment on a terminal: which, what its result is asked by, how far it is, and whether the result came late.
alter table transactions
  add column device_id  uuid,
  add column result_ref text not null default '',
  add column phase      text not null default '' check (phase in ('', 'sent', 'card', 'bank')),
  add column recovered  boolean not null default false,
  -- what goes to the terminal with it, and is no money: domain.OnTerminal
  add column terminal   jsonb;
create index transactions_on_device on transactions (merchant_id, device_id, created_at desc, id desc) where device_id is not null;

-- Receipts as a terminal's result brought them: an address, or markup.
create table receipts (
  merchant_id    uuid not null,
  transaction_id uuid not null,
  copy           text not null check (copy in ('customer', 'merchant')),
  kind           text not null check (kind in ('url', 'html')),
  body           text not null,
  created_at     timestamptz not null,
  primary key (merchant_id, transaction_id, copy),
  foreign key (merchant_id, transaction_id) references transactions (merchant_id, id)
);

-- A terminal that is used daily and has been silent.
alter table alerts alter column payment_id drop not null;
alter table alerts add column device_id uuid;
alter table alerts drop constraint alerts_kind_check;
alter table alerts add constraint alerts_kind_check check (kind in ('hold_lapses_3d', 'hold_lapses_1d', 'device_silent'));
alter table alerts add constraint alerts_about_check check ((kind = 'device_silent') = (device_id is not null) and (kind <> 'device_silent') = (payment_id is not null));
alter table alerts add foreign key (merchant_id, device_id) references devices (merchant_id, id);
create unique index alerts_of_device on alerts (merchant_id, device_id, kind) where device_id is not null and seen_at is null;

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['locations', 'devices', 'device_commands', 'receipts']
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
grant select, insert, update on locations, devices, device_commands, receipts to counterfoil_app;
