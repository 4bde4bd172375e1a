-- The schema that the shop migrates to: bigint keys, jsonb, wider money, an enum made anew (with another
-- OID), and a column that old does not have. Logical replication fills it.
CREATE TYPE order_channel AS ENUM ('web', 'phone');
CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'delivered', 'cancelled');

CREATE TABLE products (
    id bigint PRIMARY KEY, sku text NOT NULL UNIQUE, title text NOT NULL, price numeric(14,4) NOT NULL,
    attributes jsonb NOT NULL, stock bigint NOT NULL);
CREATE TABLE customers (
    id bigint PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, phone text, city text NOT NULL,
    profile jsonb NOT NULL, registered_at timestamptz NOT NULL);
CREATE TABLE orders (
    id bigserial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, status order_status NOT NULL,
    note text, total numeric(14,4) NOT NULL, placed_at timestamptz NOT NULL DEFAULT now(),
    channel order_channel NOT NULL DEFAULT 'web');
CREATE INDEX ON orders (customer_id);
CREATE TABLE order_items (
    order_id bigint REFERENCES orders, line int, product_id bigint NOT NULL REFERENCES products,
    quantity bigint NOT NULL, price numeric(14,4) NOT NULL, PRIMARY KEY (order_id, line));
