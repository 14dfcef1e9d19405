-- +goose Up
-- Everything that begins a payment: surcharges, holds that are captured by
-- themselves, links, payouts, and stored cards that can be forgotten again.

alter table transactions
  add column surcharge_minor bigint not null default 0 check (surcharge_minor >= 0), -- the part of the amount that is added for the way of paying
  add column captures_at timestamptz; -- when the provider captures a hold by itself

-- A card that was forgotten stays as a row without its token: payments name it.
alter table cards
  add column payment_id   uuid,        -- the payment that stored it at the provider; null: its token came another way
  add column forgetting_at timestamptz, -- the provider was asked to forget it and has not answered; it is not charged meanwhile
  add column forgotten_at timestamptz,
  add column forgotten_by text not null default '',
  add constraint cards_payment foreign key (merchant_id, payment_id) references payments (merchant_id, id);
-- What is stored may be an account or a wallet, which has no four digits.
alter table cards drop constraint cards_last4_check;
alter table cards add constraint cards_last4_check check (last4 ~ '^([0-9]{4})?$');
create index cards_newest on cards (merchant_id, created_at desc, id desc) where forgotten_at is null;
create index cards_by_last4 on cards (merchant_id, last4, created_at desc, id desc) where forgotten_at is null;
create index cards_by_customer on cards (merchant_id, lower(customer) text_pattern_ops, created_at desc, id desc) where forgotten_at is null;
create index cards_of_payment on cards (merchant_id, payment_id) where payment_id is not null;
