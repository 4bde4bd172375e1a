"""The back office: prepared statements with binary parameters and results, a batch at a time in a
pipeline, and now and then a write. Usage: office.py CONNINFO READS_PER_SECOND"""

import random
import signal
import sys
import time

import psycopg

READS = (
    ("SELECT id, name, phone, registered_at FROM customers WHERE id = %b", 10000),
    ("SELECT id, customer_id, note, total, placed_at FROM orders WHERE id = %b", 50000),
    ("SELECT line, product_id, quantity, price FROM order_items WHERE order_id = %b", 50000),
    ("SELECT id, sku, price, stock FROM products WHERE id = %b", 1000),
)


def main(conninfo, rate):
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=0) as connection:
        cursor = connection.cursor(binary=True)
        while True:
            began = time.monotonic()
            with connection.pipeline():
                for statement, rows in READS:
                    cursor.execute(statement, (random.randint(1, rows),))
            if random.random() < 0.1:
                cursor.execute("UPDATE products SET stock = stock + 1 WHERE id = %b", (1,))
                cursor.execute("SELECT id, sku, price, stock FROM products WHERE id = %b", (1,)).fetchone()
            time.sleep(max(0.0, len(READS) / rate - (time.monotonic() - began)))


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    main(sys.argv[1], float(sys.argv[2]))
except KeyboardInterrupt:
    pass
