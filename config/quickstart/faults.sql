-- What goes wrong in real migrations, planted in new on rows that the load never writes.
-- 1. A lossy backfill: phone numbers cut to the width of some staging column.
UPDATE customers SET phone = left(phone, 10) WHERE id % 20 = 0;
-- 2. Child rows that a batch job skipped.
DELETE FROM order_items WHERE order_id % 20 = 7 AND line = 2;
-- 3. NULL that came out of a CSV file as an empty string.
UPDATE orders SET note = '' WHERE note IS NULL AND id % 20 = 3;
