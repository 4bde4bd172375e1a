-- A buyer: a transaction that writes, and a look at the order afterwards. Half of them buy product 1.
\set customer random(1, 10000)
\set product random(1, 2)
\set other random(2, 1000)
\set shipped 20 * random(0, 2499) + 1
BEGIN;
SELECT id, price AS price FROM products WHERE id = :other \gset item_
INSERT INTO orders (customer_id, status, total) VALUES (:customer, 'new', 2 * CAST(:item_price AS numeric)) RETURNING id \gset order_
INSERT INTO order_items (order_id, line, product_id, quantity, price)
    VALUES (:order_id, 1, :other, 1, :item_price), (:order_id, 2, :product, 1, :item_price);
UPDATE products SET stock = stock - 1 WHERE id = :product;
COMMIT;
SELECT id, status, total FROM orders WHERE id = :order_id;
UPDATE orders SET status = 'shipped' WHERE id = :shipped;
