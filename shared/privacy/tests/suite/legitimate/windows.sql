# Attribution: what one table's row is, within a time, to another's.

-- asked by: C
SELECT v.campaign, COUNT(*) AS n, SUM(s.price) AS value FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '14 days'
GROUP BY v.campaign
-- equals:
SELECT v.campaign, COUNT(*), SUM(s.price) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '14 days'
GROUP BY v.campaign HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
SELECT v.campaign, COUNT(DISTINCT s.email) AS buyers FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.day - v.day BETWEEN 0 AND 7 GROUP BY v.campaign
-- equals:
SELECT v.campaign, COUNT(DISTINCT s.email) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.day - v.day BETWEEN 0 AND 7 GROUP BY v.campaign HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
SELECT v.device, COUNT(*) AS n FROM web.visits v
WHERE EXISTS (SELECT 1 FROM web.sales s WHERE s.email = v.email AND s.at > v.at AND s.at - INTERVAL '1 month' <= v.at AND s.product = 'pen') GROUP BY v.device
-- equals:
SELECT v.device, COUNT(*) FROM web.visits v
WHERE EXISTS (SELECT 1 FROM web.sales s WHERE s.email = v.email AND s.at > v.at AND s.at - INTERVAL '1 month' <= v.at AND s.product = 'pen') GROUP BY v.device
HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
# The last campaign that a buyer saw before buying.
SELECT touch, COUNT(*) AS buyers FROM (
  SELECT s.email, last_value(v.campaign ORDER BY v.at) AS touch FROM web.sales s JOIN web.visits v ON v.email = s.email AND v.at <= s.at GROUP BY s.email) t GROUP BY touch
-- equals:
SELECT touch, COUNT(*) FROM (
  SELECT s.email, last_value(v.campaign ORDER BY v.at) AS touch FROM web.sales s JOIN web.visits v ON v.email = s.email AND v.at <= s.at GROUP BY s.email) t GROUP BY touch HAVING COUNT(*) >= 3

-- asked by: C
# Days from the first visit to the first sale.
SELECT LEAST(GREATEST((s.d - v.d) / 14, -1), 4) AS fortnights, COUNT(*) AS people FROM (SELECT email, MIN(day) AS d FROM web.visits GROUP BY email) v
JOIN (SELECT email, MIN(day) AS d FROM web.sales GROUP BY email) s ON v.email = s.email GROUP BY 1
-- equals:
SELECT LEAST(GREATEST((s.d - v.d) / 14, -1), 4), COUNT(*) FROM (SELECT email, MIN(day) AS d FROM web.visits GROUP BY email) v
JOIN (SELECT email, MIN(day) AS d FROM web.sales GROUP BY email) s ON v.email = s.email GROUP BY 1 HAVING COUNT(*) >= 3

# How far two moments are apart, in the words of several dialects.

-- asked by: C
SELECT v.campaign, COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at - v.at BETWEEN INTERVAL '0 days' AND INTERVAL '7 days' GROUP BY v.campaign
-- equals:
SELECT v.campaign, COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at <= v.at + INTERVAL '7 days' GROUP BY v.campaign HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
# An interval of days is not longer than any number of hours.
SELECT COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email WHERE s.at > v.at AND INTERVAL '1 day 12 hours' > s.at - v.at
-- equals:
SELECT COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email WHERE s.at > v.at AND s.at < v.at + INTERVAL '36 hours'

-- asked by: C
SELECT TIMESTAMP_DIFF(s.at, v.at, DAY) AS d, COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '40 days' GROUP BY 1
-- equals:
SELECT CAST(CAST(s.at - v.at AS BIGINT) / 86400000000 AS BIGINT), COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '40 days' GROUP BY 1 HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
SELECT date_part('day', s.at - v.at) AS d, COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email GROUP BY 1
-- equals:
SELECT date_part('day', s.at - v.at), COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email GROUP BY 1 HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
SELECT EXTRACT(DAY FROM last - first) AS d, COUNT(*) AS n FROM (SELECT email, MIN(at) AS first, MAX(at) AS last FROM web.visits GROUP BY email) t GROUP BY 1
-- equals:
SELECT date_part('day', last - first), COUNT(*) FROM (SELECT email, MIN(at) AS first, MAX(at) AS last FROM web.visits GROUP BY email) t GROUP BY 1 HAVING COUNT(*) >= 3

-- asked by: C
SELECT date_diff('day', v.at, s.at) AS a, DATEDIFF(day, v.day, s.day) AS b, DATE_DIFF(s.day, v.day, DAY) AS c, COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.day - v.day BETWEEN 0 AND 9 GROUP BY 1, 2, 3
-- equals:
SELECT s.day - v.day AS a, s.day - v.day AS b, s.day - v.day AS c, COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.day - v.day BETWEEN 0 AND 9 GROUP BY 1, 2, 3 HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
SELECT date_diff('week', v.at, s.at) AS w, DATE_DIFF(s.day, v.day, ISOWEEK) AS i, datediff('month', v.at, s.at) AS m, COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.day - v.day BETWEEN 0 AND 60 GROUP BY 1, 2, 3
-- equals:
SELECT w, w AS i, m, COUNT(*) FROM (SELECT v.email, (CAST(date_trunc('week', s.at) AS DATE) - CAST(date_trunc('week', v.at) AS DATE)) / 7 AS w,
  CAST((date_part('year', s.at) - date_part('year', v.at)) * 12 + date_part('month', s.at) - date_part('month', v.at) AS BIGINT) AS m FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.day - v.day BETWEEN 0 AND 60) t GROUP BY w, m HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
SELECT date_diff('hour', v.at, s.at) / 48 AS h, TIMESTAMPDIFF(MINUTE, v.at, s.at) > 9000 AS late, COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '20 days' GROUP BY 1, 2
-- equals:
SELECT CAST(date_trunc('hour', s.at) - date_trunc('hour', v.at) AS BIGINT) / 3600000000 / 48, CAST(s.at - v.at AS BIGINT) / 60000000 > 9000, COUNT(*) AS n
FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '20 days' GROUP BY 1, 2 HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
SELECT TIMESTAMP_DIFF(s.at, v.at, HOUR) / 48 AS days, COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '10 days' GROUP BY 1
-- equals:
SELECT CAST(s.at - v.at AS BIGINT) / 3600000000 / 48, COUNT(*) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '10 days' GROUP BY 1 HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
# Months of moments that are told by the month only.
SELECT DATE_DIFF(last, DATE '2024-01-01', MONTH) AS m, COUNT(*) AS n FROM (SELECT email, MAX(date_trunc('month', at)) AS last FROM web.stays GROUP BY email) t GROUP BY 1
-- equals:
SELECT CAST((date_part('year', last) - 2024) * 12 + date_part('month', last) - 1 AS BIGINT), COUNT(*) FROM (SELECT email, MAX(at) AS last FROM web.stays GROUP BY email) t GROUP BY 1 HAVING COUNT(*) >= 3

# The instant of a statement is one, and part of it. It is 2024-03-01 12:00:00 here.

-- asked by: C
SELECT campaign, COUNT(*) AS n FROM web.visits WHERE at >= now() - INTERVAL '30 days' AND day < CURRENT_DATE GROUP BY campaign
-- equals:
SELECT campaign, COUNT(*) FROM web.visits WHERE at >= TIMESTAMP '2024-01-31 12:00:00' AND day < DATE '2024-03-01' GROUP BY campaign HAVING COUNT(DISTINCT email) >= 3

-- asked by: C
SELECT current_date - last AS away, COUNT(*) AS n FROM (SELECT email, MAX(day) AS last FROM web.visits WHERE day <= current_date GROUP BY email) t GROUP BY 1
-- equals:
SELECT DATE '2024-03-01' - last, COUNT(*) FROM (SELECT email, MAX(day) AS last FROM web.visits WHERE day <= DATE '2024-03-01' GROUP BY email) t GROUP BY 1 HAVING COUNT(*) >= 3

-- asked by: C
SELECT COUNT(*) AS n FROM registry.planes WHERE now() > '2020-01-01'
-- equals:
SELECT COUNT(*) FROM registry.planes

-- asked by: C
SELECT now() AS at, today() AS day, COUNT(*) AS n FROM lists.crm GROUP BY now(), today()
-- answered:
| 2024-03-01T12:00:00 | 2024-03-01 | 120 |
