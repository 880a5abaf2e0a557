# Computing with measures of one row, conditions, bins, steps.

-- asked by: C
SELECT campaign, SUM(price * pages) AS a, SUM(price * 2) AS b, SUM(price - weight) AS c, SUM(pages * (1 - 0.25)) AS d, SUM(weight * weight) AS e
FROM web.visits GROUP BY campaign
-- equals:
SELECT campaign, SUM(price * pages), SUM(price * 2), SUM(CAST(price AS DOUBLE) - weight), SUM(pages * (1 - 0.25)), SUM(weight * weight)
FROM web.visits GROUP BY campaign HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
SELECT SUM(-pages) AS a, SUM(pages * pages) AS b, SUM(2 * pages + 3 * pages) AS c, SUM(price * pages - price * weight) AS d FROM web.visits WHERE campaign <> 'odd'
-- equals:
SELECT SUM(-pages), SUM(pages * pages), SUM(2 * pages + 3 * pages), SUM(CAST(price AS DOUBLE) * pages - CAST(price AS DOUBLE) * weight) FROM web.visits WHERE campaign <> 'odd'

-- asked by: C
# A product is a measure, in a subquery too, and of each individual.
SELECT device, SUM(x) AS a, AVG(x) AS b FROM (SELECT device, price * pages AS x FROM web.visits) t GROUP BY device
-- equals:
SELECT device, SUM(x), ROUND(AVG(CAST(x AS DOUBLE)), 6) FROM (SELECT device, email, price * pages AS x FROM web.visits) t GROUP BY device HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
SELECT n, SUM(x) AS a FROM (SELECT email, COUNT(DISTINCT campaign) AS n, SUM(price * pages) AS x FROM web.visits GROUP BY email) t GROUP BY n
-- equals:
SELECT n, SUM(x) FROM (SELECT email, COUNT(DISTINCT campaign) AS n, SUM(price * pages) AS x FROM web.visits GROUP BY email) t GROUP BY n HAVING COUNT(*) >= 3

-- asked by: C
SELECT SUM(price * quantity) AS revenue FROM trade.items
-- equals:
SELECT SUM(i.price * i.quantity) FROM trade.items i JOIN trade.orders o ON i.order_id = o.order_id WHERE o.email IS NOT NULL AND i.order_id <> 'o117'

-- asked by: C
# A condition in an aggregate, as CASE and as FILTER.
SELECT device, COUNT(*) AS n, COUNT(CASE WHEN campaign = 'mail' THEN 1 END) AS a, SUM(CASE WHEN campaign = 'mail' THEN 1 ELSE 0 END) AS b,
  SUM(CASE WHEN campaign = 'mail' THEN price END) AS c, SUM(CASE campaign WHEN 'mail' THEN price ELSE 0 END) AS d, AVG(price) FILTER (WHERE campaign = 'mail') AS e
FROM web.visits WHERE campaign <> 'odd' AND day < DATE '2024-03-01' GROUP BY device
-- equals:
SELECT device, COUNT(*), COUNT(CASE WHEN campaign = 'mail' THEN 1 END), SUM(CASE WHEN campaign = 'mail' THEN 1 ELSE 0 END),
  SUM(CASE WHEN campaign = 'mail' THEN price END), SUM(CASE campaign WHEN 'mail' THEN price ELSE 0 END), ROUND(AVG(CAST(price AS DOUBLE)) FILTER (WHERE campaign = 'mail'), 6)
FROM web.visits WHERE campaign <> 'odd' AND day < DATE '2024-03-01' GROUP BY device

-- asked by: C
# Bins of a measure, of the width that the owner gives and of a multiple.
SELECT floor(price / 5) * 5 AS bin, COUNT(*) AS n, SUM(price) AS s FROM web.visits GROUP BY floor(price / 5) * 5
-- equals:
SELECT floor(price / 5) * 5, COUNT(*), SUM(price) FROM web.visits GROUP BY 1 HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
SELECT floor(price / 10.0) AS bin, COUNT(*) AS n FROM web.visits WHERE floor(price / 5) * 5 >= 10 GROUP BY floor(price / 10.0)
-- equals:
SELECT floor(price / 10.0), COUNT(*) FROM web.visits WHERE price >= 10 GROUP BY 1 HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
# Steps of a dimension.
SELECT date_trunc('month', at) AS m, date_part('quarter', at) AS q, COUNT(*) AS n FROM web.stays WHERE date_trunc('year', at) = TIMESTAMP '2024-01-01' GROUP BY 1, 2
-- equals:
SELECT date_trunc('month', at), date_part('quarter', at), COUNT(*) FROM web.stays GROUP BY 1, 2 HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
SELECT date_trunc('week', day) AS w, COUNT(*) AS n FROM web.stays GROUP BY 1
-- equals:
SELECT date_trunc('week', day), COUNT(*) FROM web.stays GROUP BY 1 HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
SELECT size / 20 AS s, floor(size / 10.0) * 10 AS f, COUNT(*) AS n FROM web.stays WHERE size / 10 < 5 GROUP BY 1, 2
-- equals:
SELECT size / 20, floor(size / 10.0) * 10, COUNT(*) FROM web.stays WHERE size < 50 GROUP BY 1, 2 HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
# What is least of a stepped dimension keeps the step; an order may be any.
SELECT date_trunc('month', f) AS cohort, s, COUNT(*) AS n FROM (SELECT email, MIN(at) AS f, last_value(shop ORDER BY at) AS s FROM web.stays GROUP BY email) t GROUP BY 1, 2
-- equals:
SELECT date_trunc('month', f), s, COUNT(*) FROM (SELECT email, MIN(at) AS f, last_value(shop ORDER BY at) AS s FROM web.stays GROUP BY email) t GROUP BY 1, 2 HAVING COUNT(*) >= 3

-- asked by: C
SELECT round(CAST(year AS DOUBLE) / 10.0) AS decade, round(CAST(year AS DOUBLE), -1) AS same, COUNT(*) AS n FROM registry.planes WHERE year IS NOT NULL GROUP BY 1, 2
-- equals:
SELECT round(CAST(year AS DOUBLE) / 10.0), round(CAST(year AS DOUBLE), -1), COUNT(*) FROM registry.planes WHERE year IS NOT NULL GROUP BY 1, 2 HAVING COUNT(*) >= 4

-- asked by: C
SELECT date_bin(INTERVAL '15 days', at) AS b, COUNT(*) AS n FROM web.visits GROUP BY 1
-- equals:
SELECT date_bin(INTERVAL '15 days', at), COUNT(*) FROM web.visits GROUP BY 1 HAVING COUNT(DISTINCT email) >= 3
