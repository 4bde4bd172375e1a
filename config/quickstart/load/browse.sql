-- A visitor: reads alone, one to three of them.
\set customer random(1, 10000)
\set order random(1, 50000)
\set product random(1, 1000)
\set choice random(1, 10)
SELECT id, sku, title, price, attributes FROM products WHERE id = :product;
\if :choice <= 3
SELECT id, email, name, phone, city FROM customers WHERE id = :customer;
SELECT id, status, total, placed_at FROM orders WHERE customer_id = :customer ORDER BY placed_at DESC, id DESC LIMIT 10;
\elif :choice <= 6
SELECT id, status, total, note, placed_at FROM orders WHERE id = :order;
SELECT line, product_id, quantity, price FROM order_items WHERE order_id = :order ORDER BY line;
\elif :choice = 7
SELECT profile, profile->>'language' AS language FROM customers WHERE id = :customer;
\elif :choice = 8
SELECT c.city, o.status, count(*) AS orders, sum(o.total) AS total FROM orders o JOIN customers c ON c.id = o.customer_id
    WHERE o.customer_id BETWEEN :customer AND :customer + 20 AND o.placed_at < '2025-01-01' GROUP BY c.city, o.status
    ORDER BY c.city, o.status;
\elif :choice = 9
SELECT id, title FROM products WHERE price > :product / 6 LIMIT 5;
\else
SELECT id, stock FROM products WHERE id = 1;
SELECT id, now() - placed_at AS age FROM orders WHERE id = :order;
SELECT count(*) AS orders FROM orders WHERE placed_at > now() - interval '10 seconds';
\endif
