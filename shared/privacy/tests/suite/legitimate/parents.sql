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

-- asked by: C
# Parents that have a child of a kind, by the key of both.
SELECT o.shop, COUNT(*) AS n FROM trade.orders o WHERE o.order_id IN (SELECT order_id FROM trade.items WHERE product = 'pen') GROUP BY o.shop
-- equals:
SELECT o.shop, COUNT(*) FROM trade.orders o WHERE o.email IS NOT NULL AND o.order_id <> 'o117' AND o.order_id IN (SELECT order_id FROM trade.items WHERE product = 'pen')
GROUP BY o.shop HAVING COUNT(DISTINCT o.email) >= 3

-- asked by: C
SELECT COUNT(*) AS n, COUNT(DISTINCT o.email) AS people FROM trade.orders o WHERE EXISTS (SELECT 1 FROM trade.items i WHERE i.order_id = o.order_id AND i.product IN ('pen', 'cup'))
-- equals:
SELECT COUNT(*), COUNT(DISTINCT email) FROM trade.orders o WHERE o.email IS NOT NULL AND o.order_id <> 'o117' AND o.order_id IN (SELECT order_id FROM trade.items WHERE product IN ('pen', 'cup'))

-- asked by: C
# Children whose parent is of a kind.
SELECT i.product, COUNT(*) AS n, SUM(i.quantity) AS q FROM trade.items i WHERE i.order_id IN (SELECT order_id FROM trade.orders WHERE shop = 'north') GROUP BY i.product
-- equals:
SELECT i.product, COUNT(*), SUM(i.quantity) FROM trade.items i JOIN trade.orders o ON i.order_id = o.order_id
WHERE o.email IS NOT NULL AND o.order_id <> 'o117' AND o.shop = 'north' GROUP BY i.product HAVING COUNT(DISTINCT o.email) >= 3
