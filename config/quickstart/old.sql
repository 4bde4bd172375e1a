-- A web shop as it has grown: 10,000 customers, 1,000 products, 50,000 orders.
CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'delivered', 'cancelled');

CREATE TABLE customers (
    id int PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, phone text, city text NOT NULL,
    profile json NOT NULL, registered_at timestamptz NOT NULL);
CREATE TABLE products (
    id int PRIMARY KEY, sku text NOT NULL UNIQUE, title text NOT NULL, price numeric(8,2) NOT NULL,
    attributes json NOT NULL, stock int NOT NULL);
CREATE TABLE orders (
    id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, status order_status NOT NULL,
    note text, total numeric(10,2) NOT NULL, placed_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON orders (customer_id);
CREATE TABLE order_items (
    order_id int REFERENCES orders, line int, product_id int NOT NULL REFERENCES products,
    quantity int NOT NULL, price numeric(8,2) NOT NULL, PRIMARY KEY (order_id, line));

INSERT INTO customers
SELECT i, 'customer' || i || '@example.org', 'Customer ' || i, '+49 30 ' || 1000000 + i * 37,
    (ARRAY['Berlin', 'Zürich', 'Graz', 'København', 'Łódź'])[i % 5 + 1],
    json_build_object('newsletter', i % 3 = 0, 'language', (ARRAY['de', 'da', 'pl'])[i % 3 + 1], 'points', i % 500),
    '2021-01-01 00:00+00'::timestamptz + i * interval '53 minutes'
FROM generate_series(1, 10000) i;
INSERT INTO products
SELECT i, 'SKU-' || lpad(i::text, 6, '0'), 'Product ' || i, (i % 200) + 0.99,
    json_build_object('colour', (ARRAY['red', 'green', 'blue'])[i % 3 + 1], 'weight', i * 1.5), 100000
FROM generate_series(1, 1000) i;
INSERT INTO orders (customer_id, status, note, total, placed_at)
SELECT i * 7919 % 10000 + 1, (ARRAY['paid', 'shipped', 'delivered', 'cancelled'])[i % 4 + 1]::order_status,
    CASE WHEN i % 7 = 0 THEN 'please ring bell ' || i % 90 END, (i % 4 + 1) * ((i % 200) + 0.99),
    '2023-01-01 00:00+00'::timestamptz + i * interval '17 minutes'
FROM generate_series(1, 50000) i;
INSERT INTO order_items
SELECT o.id, l, (o.id * 31 + l * 17) % 1000 + 1, l, ((o.id + l) % 200) + 0.99
FROM orders o, generate_series(1, 4) l WHERE l <= o.id % 3 + 2;
ANALYZE customers, products, orders, order_items;
