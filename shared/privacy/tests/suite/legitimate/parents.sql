# Tables whose individuals are their parents'.

-- asked by: C
# Three orders of a shop are of three customers at least; an order number of two customers is nobody's.
SELECT product, COUNT(*) AS n, SUM(quantity) AS q FROM trade.items GROUP BY product
-- equals:
SELECT product, SUM(n), SUM(q) FROM (
  SELECT i.product, o.email, COUNT(*) AS n, SUM(i.quantity) AS q FROM trade.items i JOIN trade.orders o ON i.order_id = o.order_id
  WHERE o.email IS NOT NULL AND i.order_id <> 'o117' GROUP BY 1, 2) t GROUP BY product HAVING COUNT(*) >= 3

-- asked by: C
# A parent of a parent.
SELECT note, COUNT(*) AS n FROM trade.notes GROUP BY note
-- equals:
SELECT n.note, COUNT(*) FROM trade.notes n JOIN trade.items i ON n.item_id = i.item_id JOIN trade.orders o ON i.order_id = o.order_id
WHERE o.email IS NOT NULL AND i.order_id <> 'o117' GROUP BY n.note HAVING COUNT(DISTINCT o.email) >= 3

-- asked by: C
# Child and parent have the same individual, and so one threshold and one row for each.
SELECT o.shop, COUNT(*) AS n, SUM(i.quantity) AS q FROM trade.items i JOIN trade.orders o ON i.order_id = o.order_id GROUP BY o.shop
-- equals:
SELECT o.shop, COUNT(*), SUM(i.quantity) FROM trade.items i JOIN trade.orders o ON i.order_id = o.order_id
WHERE o.email IS NOT NULL AND i.order_id <> 'o117' GROUP BY o.shop HAVING COUNT(DISTINCT o.email) >= 3

-- asked by: C
SELECT p, COUNT(*) AS people FROM (SELECT o.email, COUNT(DISTINCT i.product) AS p FROM trade.items i JOIN trade.orders o ON i.order_id = o.order_id GROUP BY o.email) t GROUP BY p
-- equals:
SELECT p, COUNT(*) FROM (SELECT o.email, COUNT(DISTINCT i.product) AS p FROM trade.items i JOIN trade.orders o ON i.order_id = o.order_id
  WHERE o.email IS NOT NULL AND i.order_id <> 'o117' GROUP BY o.email) t GROUP BY p HAVING COUNT(*) >= 3

-- asked by: A
# For their owner they are tables like any other.
SELECT COUNT(*) FROM trade.lost
-- answered:
| 360 |
