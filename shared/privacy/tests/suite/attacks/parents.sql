# Units through a parent that does not say, or must not. Rules: H11, H19.

-- asked by: C
-- leak: three items of one customer's orders
SELECT product, COUNT(*), SUM(price) FROM trade.items WHERE product = 'odd' GROUP BY product
-- suppressed

-- asked by: C
SELECT note, COUNT(*) FROM trade.notes WHERE note = 'odd' GROUP BY note
-- suppressed

-- asked by: C
-- leak: an item's number is no individual, but as good as one
SELECT item_id, COUNT(*) FROM trade.items GROUP BY item_id
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM trade.items WHERE order_id = 'o1'
-- refused: COLUMN_USE

-- asked by: C
-- leak: one row for each order is not one for each customer (H11)
SELECT n, COUNT(*) FROM (SELECT order_id, COUNT(*) AS n FROM trade.items GROUP BY order_id) t GROUP BY n
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM trade.lost
-- refused: MECHANISM_NOT_AVAILABLE

-- asked by: C
SELECT COUNT(*) FROM trade.circle
-- refused: MECHANISM_NOT_AVAILABLE

-- asked by: C
-- leak: the parent's owner does not let this analyst ask of it
SELECT COUNT(*) FROM trade.closed
-- refused: MECHANISM_NOT_AVAILABLE

-- asked by: C
-- leak: the parent's threshold is higher
SELECT COUNT(*) FROM trade.ruled
-- suppressed

-- asked by: C
-- leak: the parents of one person's children
SELECT COUNT(*) FROM trade.orders o WHERE o.order_id IN (SELECT order_id FROM trade.items WHERE product = 'odd')
-- suppressed

-- asked by: C
-- leak: a key that both have, and that neither has its individual by (H11)
SELECT COUNT(*) FROM trade.items i WHERE i.item_id IN (SELECT item_id FROM trade.items WHERE product = 'odd')
-- refused: JOIN_KEY

-- asked by: C
-- leak: parents without a child, of whom the owner lets nobody ask
SELECT COUNT(*) FROM trade.orders o WHERE o.order_id NOT IN (SELECT order_id FROM trade.items WHERE product = 'pen')
-- refused: JOIN_NOT_ALLOWED, JOIN_NOT_ALLOWED
