# What is computed of each individual: flags and counts that are one individual's alone. Rules: H2, H6, H7, H10, H11, H13, H20.

-- asked by: C
-- leak: a count that is zero for everybody but one (H7)
SELECT SUM(n) FROM (SELECT email, COUNT(*) FILTER (WHERE campaign = 'odd') AS n FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: the same by a condition in the argument (H7)
SELECT AVG(n) FROM (SELECT email, COUNT(CASE WHEN campaign = 'odd' THEN 1 END) AS n FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: all visits, and all but one individual's, as sums of counts (H13)
SELECT SUM(n), SUM(m) FROM (SELECT email, COUNT(*) AS n, COUNT(*) FILTER (WHERE campaign <> 'odd') AS m FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: the same beside the number of individuals (H13)
SELECT COUNT(*), SUM(m) FROM (SELECT email, COUNT(*) FILTER (WHERE campaign <> 'odd') AS m FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: sums of one column, of all and of all but one (H13)
SELECT SUM(s), SUM(r) FROM (SELECT email, SUM(price) AS s, SUM(price) FILTER (WHERE campaign <> 'odd') AS r FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: the mean of those that are left, and the number of all
SELECT COUNT(*), AVG(r) FROM (SELECT email, SUM(price) FILTER (WHERE campaign <> 'odd') AS r FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: a flag of one individual
SELECT odd, COUNT(*) AS n FROM (SELECT email, MAX(CASE WHEN campaign = 'odd' THEN 1 ELSE 0 END) AS odd FROM web.visits GROUP BY email) t GROUP BY odd
-- answered:
| 0 | 40 |

-- asked by: C
-- leak: a flag, counted beside all (H13)
SELECT COUNT(*), COUNT(odd) FROM (SELECT email, MAX(CASE WHEN campaign = 'odd' THEN 1 END) AS odd FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: B
-- leak: planes do not let aggregates be conditional
SELECT SUM(n) FROM (SELECT p.tailnum, COUNT(*) FILTER (WHERE p.model = 'ODD') AS n FROM registry.planes p GROUP BY p.tailnum) t
-- equals:
SELECT SUM(n) FROM (SELECT p.tailnum, COUNT(*) FILTER (WHERE p.model = 'ODD') AS n FROM registry.planes p GROUP BY p.tailnum) t

-- asked by: C
SELECT SUM(n) FROM (SELECT p.tailnum, COUNT(*) FILTER (WHERE p.model = 'ODD') AS n FROM registry.planes p GROUP BY p.tailnum) t
-- refused: COLUMN_USE

-- asked by: C
SELECT SUM(n) FROM (SELECT tailnum, SUM(seats) FILTER (WHERE model = 'ODD') AS n FROM registry.planes GROUP BY tailnum) t
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: a flag is not summed, so that no sum is a conditional count
SELECT SUM(odd) FROM (SELECT email, MAX(CASE WHEN campaign = 'odd' THEN 1 END) AS odd FROM web.visits GROUP BY email) t
-- refused: COLUMN_USE

-- asked by: C
-- leak: a sum of each individual is a measure, and no group key or filter
SELECT s, COUNT(*) FROM (SELECT email, SUM(price) AS s FROM web.visits GROUP BY email) t GROUP BY s
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM web.visits GROUP BY email HAVING SUM(price) > 100) t
-- refused: COLUMN_USE

-- asked by: C
-- leak: nor is it distinguished again
SELECT COUNT(*) FROM (SELECT DISTINCT email, s FROM (SELECT email, SUM(price) AS s FROM web.visits GROUP BY email) t) u
-- refused: COLUMN_USE

-- asked by: C
SELECT SUM(p) FROM (SELECT email, campaign, MIN(pages) AS p FROM web.visits GROUP BY email, campaign HAVING MIN(price) < 2) t
-- refused: COLUMN_USE

-- asked by: C
-- leak: by the order of a measure, its extremes become dimensions
SELECT c, COUNT(*) FROM (SELECT email, last_value(campaign ORDER BY price) AS c FROM web.visits GROUP BY email) t GROUP BY c
-- refused: COLUMN_USE

-- asked by: C
-- leak: another value each time
SELECT c, COUNT(*) FROM (SELECT email, last_value(campaign) AS c FROM web.visits GROUP BY email) t GROUP BY c
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
-- leak: the values of each, side by side
SELECT c, COUNT(*) FROM (SELECT email, string_agg(campaign, ',' ORDER BY at) AS c FROM web.visits GROUP BY email) t GROUP BY c
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
-- leak: the unit itself as a least value
SELECT e, COUNT(*) FROM (SELECT email, MIN(email) AS e FROM web.visits GROUP BY email) t GROUP BY e
-- refused: COLUMN_USE

-- asked by: C
-- leak: what was counted of each leaves as rows
SELECT email, COUNT(*) AS n FROM web.visits GROUP BY email
-- refused: ROW_OUTPUT

-- asked by: C
-- leak: one individual's count is nearly all (H10)
SELECT SUM(s) FROM (SELECT email, SUM(gift) AS s FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: a threshold of a column that is counted by its values holds above (H20)
SELECT n, COUNT(*) FROM (SELECT tailnum, COUNT(DISTINCT dest) AS n FROM alliance.flights WHERE carrier = 'YV' GROUP BY tailnum) t GROUP BY n
-- suppressed

-- asked by: C
-- leak: numbers of the caller's own, by way of each individual (H2)
SELECT SUM(w) FROM (SELECT p.tailnum, MAX(s.weight) AS w FROM lists.suspects s JOIN registry.planes p ON s.tailnum = p.tailnum GROUP BY p.tailnum) t
-- refused: OWN_VALUES

-- asked by: C
SELECT SUM(w) FROM (SELECT p.tailnum, SUM(s.weight) AS w, COUNT(s.tag) AS c FROM lists.suspects s JOIN registry.planes p ON s.tailnum = p.tailnum GROUP BY p.tailnum) t
-- refused: OWN_VALUES, OWN_VALUES

-- asked by: C
-- leak: not one row for each individual of both tables (H11)
SELECT n, COUNT(*) FROM (SELECT s.email, COUNT(*) AS n FROM shop.sales s GROUP BY s.email) t GROUP BY n
-- refused: COLUMN_USE

-- asked by: C
-- leak: the number of an individual's exact moments, each a group of its own
SELECT COUNT(*) FROM (SELECT DISTINCT email, at FROM web.stays) t
-- refused: COLUMN_USE

-- asked by: C
-- leak: who has none of it has 0, and is counted as if there were something
SELECT COUNT(s), AVG(s) FROM (SELECT email, SUM(CASE WHEN campaign = 'odd' THEN price ELSE 0 END) AS s FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: all but one person's, beside the number of all (H13)
SELECT COUNT(*), SUM(s) FROM (SELECT email, SUM(CASE WHEN campaign <> 'odd' THEN price ELSE 0 END) AS s FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
SELECT SUM(s), SUM(p) FROM (SELECT email, SUM(CASE WHEN campaign <> 'odd' THEN price ELSE 0 END) AS s, SUM(price) AS p FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: one sum over two numbers of individuals tells how many have nothing (H13)
SELECT AVG(s), AVG(c) FROM (SELECT email, SUM(CASE WHEN campaign <> 'odd' THEN price ELSE 0 END) AS s, SUM(CASE WHEN campaign <> 'odd' THEN price END) AS c FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: a condition of one person within a product
SELECT SUM(s * p) FROM (SELECT email, SUM(CASE WHEN campaign = 'odd' THEN price ELSE 0 END) AS s, SUM(pages) AS p FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: something else than nothing
SELECT SUM(s) FROM (SELECT email, SUM(CASE WHEN campaign = 'odd' THEN price ELSE 0.0001 END) AS s FROM web.visits GROUP BY email) t
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: grouped by what a measure is
SELECT s, COUNT(*) FROM (SELECT email, SUM(CASE WHEN campaign = 'mail' THEN price ELSE 0 END) AS s FROM web.visits GROUP BY email) t GROUP BY s
-- refused: COLUMN_USE

-- asked by: C
-- leak: a condition where the owner lets aggregates take bare columns only (H8)
SELECT SUM(s) FROM (SELECT email, SUM(CASE WHEN country = 'FR' THEN nights ELSE 0 END) AS s FROM hotel.guests GROUP BY email) t
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: a conditional count by any name
SELECT SUM(n) FROM (SELECT email, SUM(CASE WHEN campaign = 'odd' THEN 1 ELSE 0 END) AS n FROM web.visits GROUP BY email) t
-- suppressed

-- asked by: C
-- leak: a sum of counts is the count that is rounded (H6)
SELECT SUM(n) AS s FROM (SELECT email, COUNT(*) AS n FROM shop.members GROUP BY email) t
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
-- leak: and rounded it would be finer, where the count of each is known (H6)
SELECT n, SUM(n) AS s, COUNT(*) AS c FROM (SELECT email, COUNT(DISTINCT points) AS n FROM shop.members GROUP BY email) t GROUP BY n
-- refused: COLUMN_USE

-- asked by: C
SELECT n, AVG(n) AS s, COUNT(*) AS c FROM (SELECT email, COUNT(*) AS n FROM shop.members GROUP BY email) t GROUP BY n
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT n, COUNT(*) AS c, SUM(p) AS s FROM (SELECT email, COUNT(*) AS n, SUM(points) AS p FROM shop.members GROUP BY email) t GROUP BY n
-- answered:
| 1 | 40 | 946 |

-- asked by: C
SELECT SUM(n * 1000) FROM (SELECT email, COUNT(*) AS n FROM telco.points GROUP BY email) t
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
-- leak: a measure is no group key by way of a second grouping
SELECT AVG(p) AS p FROM (SELECT email, p FROM (SELECT email, MIN(points) AS p FROM shop.members GROUP BY email) t GROUP BY email, p) u
-- refused: COLUMN_USE
